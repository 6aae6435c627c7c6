package main

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// A sweep through a history in the order of its times. It proposes one order of all operations.
//
// While clients are frozen, a hundred commands are open at a time, and porcupine would try most of their orders.
// Versions say in which order events happened; an answer that changes nothing can be put wherever it is right.
type sweep struct {
	title   *title
	effects map[int]*operation // By version
	called  map[*operation]bool
	waiting []*operation // Called, change nothing, and were not right so far
	order   []*operation
	pressed []*operation // Those whose end let events happen
}

// proposed returns an order that respects the recorded times, or nil if it finds none.
//
// It also returns the operations that an order fails on: all that may have an effect, and of the others those
// that needed an event. An answer that changes nothing forbids orders and allows none, so that a history
// without some of them is linearizable if the whole is.
func proposed(judged []*operation) (order, suspects []*operation) {
	s := &sweep{title: model.Init().(*title), effects: effects(judged), called: map[*operation]bool{}}
	changes := map[*operation]bool{}
	for _, one := range s.effects {
		changes[one] = true
	}
	var last []*operation
	for _, m := range moments(judged) {
		one := judged[m.id]
		switch {
		case one.Answer.What == "unknown" && !changes[one]:
			// It never took effect
			if m.called {
				last = append(last, one)
			}
		case m.called && changes[one]:
			s.called[one] = true
		case m.called:
			s.waiting = append(s.waiting, one)
			s.place()
		case !s.until(one):
			return nil, s.suspects(judged, one)
		}
	}
	s.order = append(s.order, last...)
	if respectsTimes(s.order) {
		order = s.order
	}
	return order, s.suspects(judged, nil)
}

// suspects are in the order of their calls.
func (s *sweep) suspects(judged []*operation, failed *operation) []*operation {
	var found []*operation
	for _, one := range judged {
		mayChange := one.Answer.What == "accepted" || one.Answer.What == "unknown"
		if mayChange || one == failed || slices.Contains(s.pressed, one) {
			found = append(found, one)
		}
	}
	return found
}

// until lets events happen until an operation has its place. Events happen as late as possible: answers to
// commands that are called meanwhile may need the state before them.
func (s *sweep) until(one *operation) bool {
	if slices.Contains(s.waiting, one) {
		s.pressed = append(s.pressed, one)
	}
	for s.called[one] || slices.Contains(s.waiting, one) {
		next := s.effects[s.title.version+1]
		if next == nil || !s.called[next] {
			return false
		}
		right, state := step(s.title, next, &next.Answer)
		if !right || state == s.title {
			return false
		}
		s.title = state.(*title)
		s.order = append(s.order, next)
		delete(s.called, next)
		s.place()
	}
	return true
}

// place gives a place to each waiting operation that is right now.
func (s *sweep) place() {
	s.waiting = slices.DeleteFunc(s.waiting, func(one *operation) bool {
		right, _ := step(s.title, one, &one.Answer)
		if right {
			s.order = append(s.order, one)
		}
		return right
	})
}

// effects finds the operation of each version: by its receipt, or where its outcome is unknown by the log.
func effects(judged []*operation) map[int]*operation {
	logged := map[string]int{}
	for _, one := range judged {
		for _, happened := range one.Events {
			logged[happened.ID] = happened.Version
		}
	}
	found := map[int]*operation{}
	for _, one := range judged {
		version := 0
		switch one.Answer.What {
		case "accepted":
			version = one.Answer.Version
		case "unknown":
			version = logged[one.ID]
		}
		if version > 0 && found[version] == nil {
			found[version] = one
		}
	}
	return found
}

// respectsTimes says whether no operation comes after one that was called after its own end.
func respectsTimes(order []*operation) bool {
	var latest int64
	for _, one := range order {
		latest = max(latest, one.Call)
		if one.End < latest {
			return false
		}
	}
	return true
}

// inTurn returns the events of operations that do not overlap.
func inTurn(order []*operation) []porcupine.Event {
	var all []porcupine.Event
	for id, one := range order {
		all = append(all, porcupine.Event{Kind: porcupine.CallEvent, Value: one, Id: id},
			porcupine.Event{Kind: porcupine.ReturnEvent, Value: &one.Answer, Id: id})
	}
	return all
}
