package prose

import "strings"

// Nearest is the candidate that the word was probably meant to be, or "" when none is close: at most a third of the
// word may be wrong.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", len([]rune(word))/3+1
	for _, candidate := range candidates {
		if strings.EqualFold(word, candidate) {
			return candidate
		}
		if d := distance(strings.ToLower(word), strings.ToLower(candidate), bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// wordMax bounds the work on one pair of words; nobody mistypes a longer name in a way that can be guessed.
const wordMax = 100

// distance counts the letters that were inserted, left out, changed or swapped with their neighbour
// (Damerau-Levenshtein, optimal string alignment). Anything at or above limit may be answered with limit.
func distance(from, to string, limit int) int {
	a, b := []rune(from), []rune(to)
	if len(a) > wordMax || len(b) > wordMax || max(len(a)-len(b), len(b)-len(a)) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := last[j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			row[j] = min(last[j]+1, row[j-1]+1, changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
