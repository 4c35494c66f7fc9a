// Treecompare compares binary trees of different shapes by walking them side
// by side. A walk that is not needed any more must be told, by done.
package main

import "fmt"

type tree struct {
	left, right *tree
	key         int
}

func build(first, end, parts int) *tree {
	if first == end {
		return nil
	}
	key := first + (end-first)/(parts+1)
	return &tree{build(first, key, parts), build(key+1, end, parts), key}
}

func (t *tree) change(key int) {
	switch {
	case t == nil:
	case key < t.key:
		t.left.change(key)
	case key == t.key:
		t.key++
	default:
		t.right.change(key)
	}
}

// walk sends the keys in order and reports whether it may go on.
func (t *tree) walk(out chan<- int, done <-chan struct{}) bool {
	if t == nil {
		return true
	}
	if !t.left.walk(out, done) {
		return false
	}
	select {
	case out <- t.key:
	case <-done:
		return false
	}
	return t.right.walk(out, done)
}

func same(one, other *tree) string {
	done := make(chan struct{})
	defer close(done)
	keys := func(t *tree) <-chan int {
		out := make(chan int)
		go func() {
			defer close(out)
			t.walk(out, done)
		}()
		return out
	}
	ones, others := keys(one), keys(other)
	for place := 1; ; place++ {
		a, oneMore := <-ones
		b, otherMore := <-others
		switch {
		case !oneMore && !otherMore:
			return fmt.Sprintf("same, %d keys", place-1)
		case oneMore != otherMore:
			return fmt.Sprintf("differ at key %d, which only one has", place)
		case a != b:
			return fmt.Sprintf("differ at key %d, %d and %d", place, a, b)
		}
	}
}

func main() {
	balanced, slanted := build(0, 1000, 1), build(0, 1000, 3)
	fmt.Println("one tree, two shapes:", same(balanced, slanted))
	slanted.change(300)
	fmt.Println("a changed key:", same(balanced, slanted))
	fmt.Println("a missing key:", same(balanced, build(0, 999, 2)))
}
