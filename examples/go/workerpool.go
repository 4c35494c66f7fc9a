// Workerpool finds the longest Collatz sequences with a pool of workers.
package main

import (
	"fmt"
	"sort"
	"sync"
)

const (
	workers = 3
	jobs    = 8
	size    = 10000
)

type longest struct {
	first, end   int
	start, steps int
}

func steps(n int) (steps int) {
	for n != 1 {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
		steps++
	}
	return steps
}

func search(first, end int) longest {
	best := longest{first: first, end: end}
	for start := first; start < end; start++ {
		if n := steps(start); best.start == 0 || n > best.steps {
			best.start, best.steps = start, n
		}
	}
	return best
}

func main() {
	todo := make(chan int)
	results := make(chan longest)

	var pool sync.WaitGroup
	for range workers {
		pool.Go(func() {
			for first := range todo {
				results <- search(first, first+size)
			}
		})
	}
	go func() {
		for job := range jobs {
			todo <- 1 + job*size
		}
		close(todo)
		pool.Wait()
		close(results)
	}()

	var all []longest
	for r := range results {
		all = append(all, r)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].first < all[j].first })
	for _, r := range all {
		fmt.Printf("%6d to %6d: %d takes %d steps\n", r.first, r.end-1, r.start, r.steps)
	}
}
