package window

const (
	blockBits = 9
	blockSize = 1 << blockBits // readings, 8 KiB
	blockMask = blockSize - 1
)

type reading struct {
	at    int64 // Unix nanoseconds
	value float64
}

type block [blockSize]reading

// kept is the readings that a track still needs, numbered from its beginning, in blocks of fixed places: reading i is
// in block i / blockSize. Blocks that were emptied at the old end are used again at the new one.
type kept struct {
	blocks []*block
	sums   []sum // one per block, of its readings so far
	base   int64 // the number of blocks[0]
	spare  []*block

	oldest, next int64 // the readings from oldest up to, not including, next
	summed       bool  // somebody asks for sums
}

func (k *kept) count() int64 { return k.next - k.oldest }

func (k *kept) at(i int64) *reading {
	return &k.blocks[(i>>blockBits)-k.base][i&blockMask]
}

// last is the number of the block that has the newest reading.
func (k *kept) last() int64 { return (k.next - 1) >> blockBits }

func (k *kept) sum(n int64) *sum { return &k.sums[n-k.base] }

// push files a reading and returns its number.
func (k *kept) push(r reading) int64 {
	i := k.next
	if len(k.blocks) == 0 || i&blockMask == 0 {
		k.open()
	}
	k.next++
	*k.at(i) = r
	if k.summed {
		k.sums[len(k.sums)-1].add(r.value)
	}
	return i
}

func (k *kept) open() {
	b := (*block)(nil)
	if n := len(k.spare); n > 0 {
		b, k.spare = k.spare[n-1], k.spare[:n-1]
	} else {
		b = new(block)
	}
	k.blocks = append(k.blocks, b)
	k.sums = append(k.sums, sum{})
}

// forget gives up the readings before needed.
func (k *kept) forget(needed int64) {
	k.oldest = max(k.oldest, needed)
	for len(k.blocks) > 0 && k.oldest>>blockBits > k.base {
		k.spare = append(k.spare, k.blocks[0])
		k.blocks = append(k.blocks[:0], k.blocks[1:]...)
		k.sums = append(k.sums[:0], k.sums[1:]...)
		k.base++
	}
}
