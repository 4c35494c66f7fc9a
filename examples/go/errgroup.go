// Errgroup puts a page together from parts that are fetched at the same time.
//
// The package golang.org/x/sync/errgroup is what a program would use; here
// what it does is written out, so that the program needs nothing but Go.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

const limit = 3

type part struct {
	name  string
	delay time.Duration
	text  string
}

var parts = []part{
	{"footer", 2 * time.Millisecond, "all rights to the gophers"},
	{"header", 8 * time.Millisecond, "The Daily Burrow"},
	{"market", 15 * time.Millisecond, "carrots up, turnips down"},
	{"stories", 12 * time.Millisecond, "tunnel opened, nobody knows where"},
	{"weather", 5 * time.Millisecond, "dark, as always below ground"},
}

// group runs functions, at most so many at a time, until one fails.
type group struct {
	wg     sync.WaitGroup
	slots  chan struct{}
	once   sync.Once
	err    error
	cancel context.CancelFunc
}

func (g *group) run(f func() error) {
	g.slots <- struct{}{}
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		defer func() { <-g.slots }()
		if err := f(); err != nil {
			g.once.Do(func() {
				g.err = err
				g.cancel()
			})
		}
	}()
}

func (g *group) wait() error {
	g.wg.Wait()
	g.cancel()
	return g.err
}

func fetch(ctx context.Context, p part, broken bool) error {
	select {
	case <-time.After(p.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	if broken {
		return fmt.Errorf("the part %q is broken", p.name)
	}
	return nil
}

func page(broken string) (map[string]string, error) {
	ctx, cancel := context.WithCancel(context.Background())
	g := &group{slots: make(chan struct{}, limit), cancel: cancel}
	var mu sync.Mutex
	fetched := make(map[string]string)
	for _, p := range parts {
		g.run(func() error {
			if err := fetch(ctx, p, p.name == broken); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			fetched[p.name] = p.text
			return nil
		})
	}
	if err := g.wait(); err != nil {
		return nil, err
	}
	return fetched, nil
}

func main() {
	broken := ""
	if len(os.Args) > 2 && os.Args[1] == "--broken" {
		broken = os.Args[2]
	}
	fetched, err := page(broken)
	if err != nil {
		fmt.Printf("no page: %v\n", err)
		os.Exit(1)
	}
	var names []string
	for name := range fetched {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("%s: %s\n", name, fetched[name])
	}
}
