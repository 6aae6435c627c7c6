// Verdict decides with porcupine whether the histories of chaos runs are linearizable, title by title.
//
//	go run . [-pictures FOLDER] [-limit 5m] HISTORY.jsonl.gz …
//
// It prints a line of JSON for each history. Exit code 0: all are linearizable; 1: one is not; 2: one can't be
// read or was not decided within the limit.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A verdict on one history. Attempts are calls of commands; a command that was repeated has several.
type verdict struct {
	File      string         `json:"file"`
	Verdict   string         `json:"verdict"`
	Titles    int            `json:"titles"`
	Commands  int            `json:"commands"`
	Attempts  int            `json:"attempts"`
	Unknown   int            `json:"unknown"`
	Reads     int            `json:"reads"`
	Unserved  int            `json:"unserved_reads"`
	Beyond    int            `json:"reads_beyond_the_end"` // Kafka's end, as the query API saw it
	Logged    int            `json:"logged_events"`
	Seconds   float64        `json:"seconds"`
	Proposed  []string       `json:"proposed,omitempty"` // Titles whose order was proposed to porcupine
	Failed    []string       `json:"failed,omitempty"`
	Undecided []string       `json:"undecided,omitempty"`
	Pictures  []string       `json:"pictures,omitempty"`
	Header    map[string]any `json:"header"`
}

// patience is the time in which porcupine decides most titles by itself. An order is proposed for the others.
const patience = 5 * time.Second

func main() {
	pictures := flag.String("pictures", "", "folder for a picture of each title that fails")
	limit := flag.Duration("limit", 5*time.Minute, "for one title")
	flag.Parse()
	code := 0
	for _, path := range flag.Args() {
		h, err := readHistory(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(2)
		}
		found, err := judge(path, h, *pictures, *limit)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			os.Exit(2)
		}
		line, _ := json.Marshal(found)
		fmt.Println(string(line))
		switch {
		case len(found.Failed) > 0:
			code = max(code, 1)
		case len(found.Undecided) > 0:
			code = 2
		}
	}
	os.Exit(code)
}

func judge(path string, h *history, pictures string, limit time.Duration) (*verdict, error) {
	begun := time.Now()
	found := &verdict{File: path, Verdict: "linearizable", Titles: len(h.titles), Header: h.header}
	for _, title := range slices.Sorted(maps.Keys(h.titles)) {
		lines := h.titles[title]
		found.count(lines)
		judged := operations(lines)
		result, shown := decide(judged, limit)
		switch result {
		case proposedOrder:
			found.Proposed = append(found.Proposed, title)
		case porcupine.Illegal:
			found.Failed = append(found.Failed, title)
			if pictures != "" {
				name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".jsonl")
				picture := filepath.Join(pictures, fmt.Sprintf("%s-%s.html", name, title))
				if err := draw(shortest(shown, limit), picture, limit); err != nil {
					return nil, err
				}
				found.Pictures = append(found.Pictures, picture)
			}
		case porcupine.Unknown:
			found.Undecided = append(found.Undecided, title)
		}
	}
	if len(found.Undecided) > 0 {
		found.Verdict = "undecided"
	}
	if len(found.Failed) > 0 {
		found.Verdict = "not linearizable"
	}
	found.Seconds = time.Since(begun).Round(time.Millisecond).Seconds()
	return found, nil
}

// proposedOrder is porcupine's OK to an order that was proposed to it.
const proposedOrder porcupine.CheckResult = "proposed order"

// decide returns the verdict on a title, and the operations that show why.
func decide(judged []*operation, limit time.Duration) (porcupine.CheckResult, []*operation) {
	result := porcupine.CheckEventsTimeout(model, events(judged), min(limit, patience))
	if result != porcupine.Unknown {
		return result, judged
	}
	order, suspects := proposed(judged)
	if order != nil && porcupine.CheckEvents(model, inTurn(order)) {
		return proposedOrder, judged
	}
	if porcupine.CheckEventsTimeout(model, events(suspects), limit) == porcupine.Illegal {
		return porcupine.Illegal, suspects
	}
	return porcupine.CheckEventsTimeout(model, events(judged), limit), judged
}

func (v *verdict) count(lines []*operation) {
	ids := map[string]bool{}
	for _, one := range lines {
		switch {
		case one.Log != "":
			v.Logged += len(one.Events)
		case one.Read != "" && one.Answer.Status == 400:
			v.Beyond++
		case one.Read != "" && !one.shows():
			v.Unserved++
		case one.Read != "":
			v.Reads++
		default:
			ids[one.ID] = true
			v.Attempts++
			if one.Answer.What == "unknown" {
				v.Unknown++
			}
		}
	}
	v.Commands += len(ids)
}

// shortest returns the operations up to the first answer that can't be explained: a history is linearizable
// only if each beginning of it is. Answers that come later are unknown at that moment.
func shortest(judged []*operation, limit time.Duration) []*operation {
	var ends []int64
	for _, one := range judged {
		if one.End != never {
			ends = append(ends, one.End)
		}
	}
	slices.Sort(ends)
	first := sort.Search(len(ends)-1, func(n int) bool {
		return porcupine.CheckEventsTimeout(model, events(until(judged, ends[n])), limit) != porcupine.Ok
	})
	return until(judged, ends[first])
}

func until(judged []*operation, end int64) []*operation {
	var beginning []*operation
	for _, one := range judged {
		copied := *one
		if one.End > end {
			if one.Call > end || one.Answer.What != "accepted" && one.Answer.What != "unknown" {
				continue
			}
			copied.End, copied.Answer = never, answer{What: "unknown"}
		}
		beginning = append(beginning, &copied)
	}
	return beginning
}

func draw(judged []*operation, path string, limit time.Duration) error {
	_, info := porcupine.CheckEventsVerbose(model, events(judged), limit)
	return porcupine.VisualizePath(model, info, path)
}
