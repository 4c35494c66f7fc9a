// Programs is Go's side of the programs that `--bin parallel` runs.
//
//	programs NAME NUMBER…
//
// Each prints one number, which depends on all that it did; ours prints the same.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

// program has a name, as many numbers as it takes, and what it does.
type program struct {
	numbers int
	run     func(n []uint64) uint64
}

var programs = map[string]program{
	"pool":     {3, func(n []uint64) uint64 { return pool(n[0], n[1], n[2]) }},
	"sort":     {2, func(n []uint64) uint64 { return sortAll(n[0], int(n[1])) }},
	"pipeline": {2, func(n []uint64) uint64 { return pipeline(n[0], n[1]) }},
	"pairs":    {2, func(n []uint64) uint64 { return pairs(n[0], n[1]) }},
	"scatter":  {3, func(n []uint64) uint64 { return scatter(n[0], n[1], n[2]) }},
	"sieve":    {1, func(n []uint64) uint64 { return sieve(n[0]) }},
	"ring":     {2, func(n []uint64) uint64 { return ring(n[0], n[1]) }},
	"tree":     {1, func(n []uint64) uint64 { return tree(n[0]) }},
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: programs NAME NUMBER…")
	}
	program, known := programs[os.Args[1]]
	words := os.Args[2:]
	if !known || len(words) != program.numbers {
		fail("no such program, or not as many numbers as it takes")
	}
	numbers := make([]uint64, len(words))
	for i, word := range words {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			fail(err)
		}
		numbers[i] = n
	}
	fmt.Println(program.run(numbers))
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(2)
}

// compute takes turns of a xorshift generator; each waits for the one before.
func compute(x, turns uint64) uint64 {
	for ; turns > 0; turns-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// pool has eight goroutines that take jobs from a channel and compute on each.
func pool(jobs, turns, capacity uint64) uint64 {
	const goroutines = 8
	queue := make(chan uint64, capacity)
	sums := make(chan uint64)
	for range goroutines {
		go func() {
			var sum uint64
			for job := range queue {
				sum += compute(job, turns)
			}
			sums <- sum
		}()
	}
	for job := uint64(1); job <= jobs; job++ {
		queue <- job
	}
	close(queue)
	var total uint64
	for range goroutines {
		total += <-sums
	}
	return total
}

// sortAll sorts pseudorandom numbers and folds them into one that depends on their order.
func sortAll(length uint64, split int) uint64 {
	values := make([]uint64, length)
	x := uint64(1)
	for i := range values {
		x = compute(x, 1)
		values[i] = x
	}
	mergeSort(values, make([]uint64, length), split)
	var fold uint64
	for _, value := range values {
		fold = (fold<<1 | fold>>63) ^ value
	}
	return fold
}

// mergeSort gives one half to another goroutine where there are more values than split.
func mergeSort(values, scratch []uint64, split int) {
	const few = 16
	if len(values) <= few {
		insertionSort(values)
		return
	}
	middle := len(values) / 2
	if len(values) > split {
		var done sync.WaitGroup
		done.Go(func() { mergeSort(values[:middle], scratch[:middle], split) })
		mergeSort(values[middle:], scratch[middle:], split)
		done.Wait()
	} else {
		mergeSort(values[:middle], scratch[:middle], split)
		mergeSort(values[middle:], scratch[middle:], split)
	}
	copy(scratch, values)
	merge(values, scratch[:middle], scratch[middle:])
}

func insertionSort(values []uint64) {
	for next := 1; next < len(values); next++ {
		value := values[next]
		place := next
		for place > 0 && values[place-1] > value {
			values[place] = values[place-1]
			place--
		}
		values[place] = value
	}
}

func merge(values, left, right []uint64) {
	l, r := 0, 0
	for i := range values {
		if r == len(right) || l < len(left) && left[l] <= right[r] {
			values[i] = left[l]
			l++
		} else {
			values[i] = right[r]
			r++
		}
	}
}

// pipeline sends items through three stages that compute on each.
func pipeline(items, turns uint64) uint64 {
	const stages = 3
	source := make(chan uint64)
	go func() {
		for item := uint64(1); item <= items; item++ {
			source <- item
		}
		close(source)
	}()
	end := source
	for range stages {
		from, to := end, make(chan uint64)
		go func() {
			for item := range from {
				to <- compute(item, turns)
			}
			close(to)
		}()
		end = to
	}
	var total uint64
	for item := range end {
		total += item
	}
	return total
}

// pairs of goroutines each play ping-pong with a counter.
func pairs(count, rounds uint64) uint64 {
	sums := make(chan uint64)
	for range count {
		ping, pong := make(chan uint64), make(chan uint64)
		go func() {
			for ball := range ping {
				pong <- ball + 1
			}
		}()
		go func() {
			var ball uint64
			for range rounds {
				ping <- ball
				ball = <-pong
			}
			close(ping)
			sums <- ball
		}()
	}
	var total uint64
	for range count {
		total += <-sums
	}
	return total
}

// scatter starts many short goroutines and gathers what they computed, again and again.
func scatter(times, count, turns uint64) uint64 {
	var total uint64
	for range times {
		results := make(chan uint64)
		for job := uint64(1); job <= count; job++ {
			go func() { results <- compute(job, turns) }()
		}
		for range count {
			total += <-results
		}
	}
	return total
}

// sieve finds the primes with a chain of goroutines, one for each, and returns the last.
func sieve(primes uint64) uint64 {
	end := make(chan uint64)
	go func(numbers chan<- uint64) {
		for number := uint64(2); ; number++ {
			numbers <- number
		}
	}(end)
	var prime uint64
	for range primes {
		prime = <-end
		next := make(chan uint64)
		go func(prime uint64, numbers <-chan uint64, rest chan<- uint64) {
			for number := range numbers {
				if number%prime != 0 {
					rest <- number
				}
			}
		}(prime, end, next)
		end = next
	}
	return prime
}

// ring passes a counter around.
func ring(count, laps uint64) uint64 {
	first := make(chan uint64)
	last := first
	for range count {
		from, to := last, make(chan uint64)
		go func() {
			for token := range from {
				to <- token + 1
			}
			close(to)
		}()
		last = to
	}
	var token uint64
	for range laps {
		first <- token
		token = <-last
	}
	close(first)
	return token
}

// tree starts a goroutine for each node of a tree and sums their numbers.
func tree(count uint64) uint64 {
	sum := make(chan uint64)
	go node(1, count, sum)
	return <-sum
}

func node(number, count uint64, parent chan<- uint64) {
	sum := number
	if 2*number <= count {
		sums := make(chan uint64)
		children := 0
		for child := 2 * number; child <= 2*number+1 && child <= count; child++ {
			go node(child, count, sums)
			children++
		}
		for range children {
			sum += <-sums
		}
	}
	parent <- sum
}
