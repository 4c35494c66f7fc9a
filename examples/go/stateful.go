// Stateful keeps the books of a bank in two ways: with a goroutine to which
// they belong, and behind a mutex.
package main

import (
	"fmt"
	"sync"
)

const (
	tellers   = 8
	transfers = 1000
	accounts  = 4
	deposit   = 1000
)

type books [accounts]int64

type transfer struct {
	from, to int
	amount   int64
}

func (t transfer) enter(b *books) {
	b[t.from] -= t.amount
	b[t.to] += t.amount
}

func opened() books {
	var b books
	for i := range b {
		b[i] = deposit
	}
	return b
}

type keeper interface {
	transfer(t transfer)
	balances() books
}

// clerk is a goroutine that owns the books.
type clerk struct {
	transfers chan transfer
	inquiries chan chan books
}

func newClerk() *clerk {
	c := &clerk{make(chan transfer), make(chan chan books)}
	go func() {
		b := opened()
		for {
			select {
			case t := <-c.transfers:
				t.enter(&b)
			case reply := <-c.inquiries:
				reply <- b
			}
		}
	}()
	return c
}

func (c *clerk) transfer(t transfer) { c.transfers <- t }

func (c *clerk) balances() books {
	reply := make(chan books, 1)
	c.inquiries <- reply
	return <-reply
}

// safe is books behind a mutex.
type safe struct {
	mu    sync.Mutex
	books books
}

func (s *safe) transfer(t transfer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.enter(&s.books)
}

func (s *safe) balances() books {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books
}

func transferOf(teller, number int) transfer {
	return transfer{
		from:   (teller + number) % accounts,
		to:     (3*teller + number/2) % accounts,
		amount: int64(number % 10),
	}
}

func report(name string, k keeper) {
	var wg sync.WaitGroup
	for teller := range tellers {
		wg.Go(func() {
			for number := range transfers {
				k.transfer(transferOf(teller, number))
			}
		})
	}
	wg.Wait()
	b := k.balances()
	total := int64(0)
	fmt.Printf("%s: [", name)
	for i, balance := range b {
		if i > 0 {
			fmt.Print(", ")
		}
		fmt.Print(balance)
		total += balance
	}
	fmt.Printf("], %d in all\n", total)
}

func main() {
	report("clerk", newClerk())
	report("safe", &safe{books: opened()})
}
