// Singleflight lets many goroutines ask a cache for the same few things.
//
// The package golang.org/x/sync/singleflight is what a program would use; here
// what it does is written out, so that the program needs nothing but Go.
package main

import (
	"fmt"
	"sync"
	"time"
)

const readers = 30

var cities = []string{"Accra", "Bergen", "Caracas", "Dakar"}

var store = map[string]int{"Accra": 4981, "Bergen": 1063, "Caracas": 8394, "Dakar": 4566}

// call is one that is being made.
type call struct {
	done  chan struct{}
	value int
}

// flights makes one call of those that ask for the same key at the same time.
type flights struct {
	mu    sync.Mutex
	calls map[string]*call
}

func (f *flights) run(key string, fn func() int) int {
	f.mu.Lock()
	if c, ok := f.calls[key]; ok {
		f.mu.Unlock()
		<-c.done
		return c.value
	}
	c := &call{done: make(chan struct{})}
	f.calls[key] = c
	f.mu.Unlock()

	c.value = fn()
	f.mu.Lock()
	delete(f.calls, key)
	f.mu.Unlock()
	close(c.done)
	return c.value
}

type cache struct {
	mu      sync.Mutex
	known   map[string]int
	fetches map[string]int
	flights flights
}

func (c *cache) look(city string) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	distance, ok := c.known[city]
	return distance, ok
}

func (c *cache) get(city string) int {
	if distance, ok := c.look(city); ok {
		return distance
	}
	return c.flights.run(city, func() int {
		// Another call may have ended since the first look.
		if distance, ok := c.look(city); ok {
			return distance
		}
		distance := c.fetch(city)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.known[city] = distance
		return distance
	})
}

func (c *cache) fetch(city string) int {
	c.mu.Lock()
	c.fetches[city]++
	c.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	return store[city]
}

func main() {
	c := &cache{
		known:   make(map[string]int),
		fetches: make(map[string]int),
		flights: flights{calls: make(map[string]*call)},
	}
	asked := make(map[string]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for reader := range readers {
		wg.Go(func() {
			city := cities[reader%len(cities)]
			if c.get(city) != store[city] {
				panic(city)
			}
			mu.Lock()
			defer mu.Unlock()
			asked[city]++
		})
	}
	wg.Wait()
	for _, city := range cities {
		fmt.Printf("%s: %d km, asked for %d times, fetched %d times\n",
			city, c.get(city), asked[city], c.fetches[city])
	}
}
