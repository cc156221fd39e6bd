package plan

import (
	"crypto/sha256"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/mr-tron/base58"
	"github.com/tyler-smith/go-bip39/wordlists"
	"golang.org/x/text/unicode/norm"
)

// A seed phrase or private key in a plan directory ends up in Git, in backups and on screens. Every text file of the
// directory is therefore looked through before anything else reads it, and a find stops the load. What is reported is
// the place and the kind: no message, log or suggestion ever holds a part of the secret.
//
// Only what is provably a secret is reported, by its checksum or its frame, so that no owner learns to ignore the
// report. A key that somebody cut in two or wrote in another notation is not found.

// findSecrets looks through files and returns a fault for each secret.
func findSecrets(files []file) []Fault {
	var faults []Fault
	for _, f := range files {
		if !isText(f.text) {
			continue
		}
		for _, s := range secretsIn(string(f.text)) {
			line, column := lineAndColumn(string(f.text), s.offset)
			faults = append(faults, Fault{File: f.name, Line: line, Column: column,
				Message: "here stands " + s.what + "; lifeboat never keeps one and has copied nothing"})
		}
		if len(faults) > faultsMax {
			break
		}
	}
	return faults
}

func isText(content []byte) bool {
	return utf8.Valid(content) && !slices.Contains(content, 0)
}

func lineAndColumn(text string, offset int) (line, column int) {
	before := text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(strings.TrimPrefix(before[start:], "\ufeff")) + 1
}

// A leak is where a secret begins, and what it is.
type leak struct {
	offset int
	what   string
}

// secretsMax bounds what is reported of one file.
const secretsMax = 100

func secretsIn(text string) []leak {
	var found []leak
	for _, look := range []func(string) []leak{seedPhrases, hexKeys, wifKeys, extendedKeys, pemKeys, keystores} {
		found = append(found, look(text)...)
	}
	slices.SortStableFunc(found, func(a, b leak) int { return a.offset - b.offset })
	return found[:min(len(found), secretsMax)]
}

var (
	hexForm      = regexp.MustCompile(`(?:0[xX])?[0-9a-fA-F]{64}`)
	wifForm      = regexp.MustCompile(`[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}`)
	extendedForm = regexp.MustCompile(`[xyztuvYZUV]prv[1-9A-HJ-NP-Za-km-z]{107,108}`)
	pemForm      = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----`)
	// digestForm says that what follows is the hash of something and no key.
	digestForm = regexp.MustCompile(`(?i)hash|tx|transaction|digest|sha-?[0-9]|sha\b|checksum|block|commit|root|fingerprint|signature|topic|etag|integrity|keccak|merkle|revision`)
	keyForm    = regexp.MustCompile(`(?i)priv|secret|seed|mnemonic|wallet`)
)

// standsAlone reports that a match is not the middle of a longer word.
func standsAlone(text string, from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	return !inWord(before) && !inWord(after)
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '_'
}

// hexKeys finds 32 bytes in hex that can be a key of secp256k1 and are not called a hash.
func hexKeys(text string) []leak {
	var found []leak
	for _, m := range hexForm.FindAllStringIndex(text, -1) {
		number := strings.TrimPrefix(strings.TrimPrefix(text[m[0]:m[1]], "0x"), "0X")
		denomination := strings.HasSuffix(text[:m[0]], "ibc/") // of Cosmos, the hash of the way that a token came
		if standsAlone(text, m[0], m[1]) && !denomination && canBeKey(number) && !isDigest(labelOf(text, m[0])) {
			found = append(found, leak{m[0], "a private key (64 hex digits)"})
		}
	}
	return found
}

// isDigest reports a label that says hash or the like, and nothing of keys.
func isDigest(label string) bool {
	return digestForm.MatchString(label) && !keyForm.MatchString(label)
}

// canBeKey reports a number from 1 to the order of the curve less one.
func canBeKey(digits string) bool {
	number, ok := new(big.Int).SetString(digits, 16)
	order, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	return ok && number.Sign() > 0 && number.Cmp(order) < 0
}

// labelOf is what stands before a value: the rest of its line, and for an item of a list the line that heads the list.
func labelOf(text string, offset int) string {
	before := text[max(0, offset-1000):offset]
	start := strings.LastIndexByte(before, '\n') + 1
	label := before[start:]
	if strings.Trim(label, " \t-\"'[{,") != "" {
		return label
	}
	lines := strings.Split(before[:max(start-1, 0)], "\n")
	for _, line := range slices.Backward(lines) {
		if head := strings.TrimRight(line, " \t\r[{|>-"); strings.HasSuffix(head, ":") {
			return head
		}
	}
	return label
}

// wifKeys finds Bitcoin's wallet import format by its checksum.
func wifKeys(text string) []leak {
	return base58Keys(text, wifForm, "a private key (WIF)", func(payload []byte) bool {
		compressed := len(payload) == 34 && payload[33] == 1
		return (payload[0] == 0x80 || payload[0] == 0xef) && (len(payload) == 33 || compressed)
	})
}

// extendedKeys finds the private keys from which a wallet derives all others.
func extendedKeys(text string) []leak {
	return base58Keys(text, extendedForm, "an extended private key", func(payload []byte) bool { return len(payload) == 78 })
}

func base58Keys(text string, form *regexp.Regexp, what string, is func(payload []byte) bool) []leak {
	var found []leak
	for _, m := range form.FindAllStringIndex(text, -1) {
		if !standsAlone(text, m[0], m[1]) {
			continue
		}
		raw, err := base58.Decode(text[m[0]:m[1]])
		if err != nil || len(raw) < 5 {
			continue
		}
		payload, checksum := raw[:len(raw)-4], raw[len(raw)-4:]
		once := sha256.Sum256(payload)
		twice := sha256.Sum256(once[:])
		if slices.Equal(twice[:4], checksum) && is(payload) {
			found = append(found, leak{m[0], what})
		}
	}
	return found
}

func pemKeys(text string) []leak {
	var found []leak
	for _, m := range pemForm.FindAllStringIndex(text, -1) {
		found = append(found, leak{m[0], "a private key (PEM)"})
	}
	return found
}

var keystoreForms = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bciphertext\b["']?\s*:`),
	regexp.MustCompile(`(?i)\bcrypto\b["']?\s*:`),
	regexp.MustCompile(`(?i)\bkdf\b["']?\s*:`),
}

// keystores finds the file in which Ethereum wallets keep an encrypted key: a password is all that guards it.
func keystores(text string) []leak {
	for _, form := range keystoreForms {
		if !form.MatchString(text) {
			return nil
		}
	}
	return []leak{{keystoreForms[0].FindStringIndex(text)[0], "an encrypted private key (keystore)"}}
}

// A word of a text.
type word struct {
	offset int
	text   string
}

// seedPhrases finds BIP-39 phrases in every language of the standard: 12 to 24 words of one list, in order, with a
// valid checksum, however they are separated: by spaces, lines, commas, dashes, numbers or quotes, or one to a key.
func seedPhrases(text string) []leak {
	// The two characters \n in a JSON string separate words as a line's end does.
	text = strings.NewReplacer(`\n`, "  ", `\r`, "  ", `\t`, "  ").Replace(text)
	var found []leak
	for _, run := range append(proseRuns(text), keyedRuns(text)...) {
		if len(run) < 12 {
			continue
		}
		for i := range run {
			run[i].text = norm.NFKD.String(strings.ToLower(run[i].text))
		}
		for _, numbers := range phraseLists() {
			found = append(found, phrasesIn(run, numbers)...)
		}
	}
	slices.SortStableFunc(found, func(a, b leak) int { return a.offset - b.offset })
	return slices.CompactFunc(found, func(a, b leak) bool { return a.offset == b.offset })
}

// phraseLists are the languages' words → their numbers, made once.
var phraseLists = sync.OnceValue(func() []map[string]int {
	var lists []map[string]int
	for _, words := range [][]string{wordlists.English, wordlists.Spanish, wordlists.French, wordlists.Italian, wordlists.Czech,
		wordlists.Japanese, wordlists.Korean, wordlists.ChineseSimplified, wordlists.ChineseTraditional} {
		numbers := make(map[string]int, len(words))
		for i, w := range words {
			numbers[norm.NFKD.String(w)] = i
		}
		lists = append(lists, numbers)
	}
	return lists
})

var wordForm = regexp.MustCompile(`[\p{L}\p{M}]+`)

// breakForm is what stands between sentences, keys and calls, and never inside a phrase. A full stop after a number
// is numbering.
var breakForm = regexp.MustCompile(`[:;{}()=?!<>@/\\_&%$]|(?:^|[^0-9\s])\.|\n\s*\n\s*\n`)

// proseRuns are the words of a text, cut where a phrase cannot go on.
func proseRuns(text string) [][]word {
	var runs [][]word
	end := 0
	for i, m := range wordForm.FindAllStringIndex(text, -1) {
		if gap := text[end:m[0]]; i == 0 || gap != " " && breakForm.MatchString(gap) {
			runs = append(runs, nil)
		}
		last := len(runs) - 1
		runs[last] = append(runs[last], word{m[0], text[m[0]:m[1]]})
		end = m[1]
	}
	return runs
}

var keyedForm = regexp.MustCompile(`^(\s*-?\s*["']?[\p{L}0-9_ -]{1,30}["']?\s*[:=]\s*["']?)([\p{L}\p{M}]+)["']?\s*,?\s*(?:#.*)?$`)

// keyedMax is longer than any line that holds a key and one word.
const keyedMax = 200

// keyedRuns are lines one after the other that each hold a key and a word: w1: abandon.
func keyedRuns(text string) [][]word {
	runs := [][]word{nil}
	offset := 0
	for line := range strings.Lines(text) {
		var m []int
		if len(line) < keyedMax && strings.ContainsAny(line, ":=") {
			m = keyedForm.FindStringSubmatchIndex(strings.TrimRight(line, "\r\n"))
		}
		if m != nil {
			last := len(runs) - 1
			runs[last] = append(runs[last], word{offset + m[4], text[offset+m[4] : offset+m[5]]})
		} else if runs[len(runs)-1] != nil {
			runs = append(runs, nil)
		}
		offset += len(line)
	}
	return runs
}

// phrasesIn a run of words: longer ones first, and none inside another.
func phrasesIn(run []word, numbers map[string]int) []leak {
	var found []leak
	indexes := make([]int, len(run))
	length := make([]int, len(run)+1) // how many words from here on are in the list
	for i := len(run) - 1; i >= 0; i-- {
		n, ok := numbers[run[i].text]
		if indexes[i] = n; ok {
			length[i] = length[i+1] + 1
		}
	}
	for i := 0; i < len(run); i++ {
		for _, size := range []int{24, 21, 18, 15, 12} {
			if length[i] >= size && validPhrase(indexes[i:i+size]) {
				found = append(found, leak{run[i].offset, "a seed phrase"})
				i += size - 1
				break
			}
		}
	}
	return found
}

// validPhrase checks BIP-39's checksum: 11 bits a word, of which the last ones are the first of the entropy's SHA-256.
func validPhrase(indexes []int) bool {
	bits := new(big.Int)
	for _, n := range indexes {
		bits.Lsh(bits, 11).Or(bits, big.NewInt(int64(n)))
	}
	checksumBits := uint(len(indexes) / 3)
	checksum := new(big.Int).And(bits, big.NewInt(1<<checksumBits-1)).Uint64()
	entropy := new(big.Int).Rsh(bits, checksumBits).FillBytes(make([]byte, len(indexes)*4/3))
	sum := sha256.Sum256(entropy)
	return uint64(sum[0]>>(8-checksumBits)) == checksum
}
