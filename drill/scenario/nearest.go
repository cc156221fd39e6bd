package scenario

import "slices"

// nearest is the candidate of which the word is most nearly a part; of equals, the first.
func nearest(word string, candidates []string) string {
	return slices.MinFunc(candidates, func(a, b string) int { return distance(word, a) - distance(word, b) })
}

// distance counts the letters to insert, delete or replace until the word is a part of the whole, so that "luna" is
// next to "ust-luna-2022". It is Levenshtein's table, row by row, with nothing to pay before and after the part.
func distance(word, whole string) int {
	above := make([]int, len(whole)+1)
	for i := range len(word) {
		row := make([]int, len(whole)+1)
		row[0] = i + 1
		for j := range len(whole) {
			replaced := above[j]
			if word[i] != whole[j] {
				replaced++
			}
			row[j+1] = min(replaced, above[j+1]+1, row[j]+1)
		}
		above = row
	}
	return slices.Min(above)
}
