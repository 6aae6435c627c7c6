package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

// crowded is a title with many commands open at a time, some before and some after its only copy is lent.
func crowded(t *testing.T, more ...string) []*operation {
	lines := append([]string{header, added}, more...)
	for n := range 100 {
		answer := `"what":"refused","code":"not_on_loan"`
		if n%2 == 1 {
			answer = refused
		}
		command := fmt.Sprintf(`"type":"%s","user_id":"user-%d"`, []string{"ReturnBook", "BorrowBook"}[n%2], n)
		lines = append(lines, attempt(10+n, 1000+n, fmt.Sprintf("c.%d", n), command, answer))
	}
	lines = append(lines, attempt(9, 2000, "b", borrow, accepted("BookBorrowed", 2)))
	h, err := parseHistory(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return operations(h.titles["T"])
}

func TestAnOrderIsProposedThatPorcupineAccepts(t *testing.T) {
	judged := crowded(t, attempt(3, 0, "u", take, unknown))
	order, _ := proposed(judged)
	if len(order) != len(judged) || !porcupine.CheckEvents(model, inTurn(order)) {
		t.Errorf("%d of %d: %v", len(order), len(judged), order)
	}
}

func TestNoOrderIsProposedWhereThereIsNone(t *testing.T) {
	// Nobody had borrowed it before the crowd came
	judged := crowded(t, attempt(3, 4, "w", take, refused))
	order, suspects := proposed(judged)
	if order != nil || porcupine.CheckEvents(model, events(suspects)) || len(suspects) >= len(judged) {
		t.Errorf("order %v, suspects %v", order, suspects)
	}
}

func TestAnOrderAgainstTheTimesIsFound(t *testing.T) {
	first, second := &operation{Call: 1, End: 2}, &operation{Call: 3, End: 4}
	if !respectsTimes([]*operation{first, second}) || respectsTimes([]*operation{second, first}) {
		t.Error("respectsTimes")
	}
}
