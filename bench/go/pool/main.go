// Pool is Go's side of Program/Pool1ms: eight goroutines take jobs from an unbuffered channel and
// compute on each.
//
//	pool JOBS TURNS
package main

import (
	"fmt"
	"os"
	"strconv"
)

const goroutines = 8

func main() {
	jobs, turns := argument(1), argument(2)
	queue := make(chan uint64)
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
	fmt.Println(total)
}

func argument(i int) uint64 {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: pool JOBS TURNS")
		os.Exit(2)
	}
	n, err := strconv.ParseUint(os.Args[i], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return n
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
