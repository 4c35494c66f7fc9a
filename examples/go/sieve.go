// Sieve prints the first primes, found by a daisy chain of goroutines.
package main

import "fmt"

func count(numbers chan<- int) {
	for number := 2; ; number++ {
		numbers <- number
	}
}

func withoutMultiples(prime int, numbers <-chan int, rest chan<- int) {
	for number := range numbers {
		if number%prime != 0 {
			rest <- number
		}
	}
}

func main() {
	end := make(chan int)
	go count(end)
	for range 20 {
		prime := <-end
		fmt.Println(prime)
		next := make(chan int)
		go withoutMultiples(prime, end, next)
		end = next
	}
}
