package history

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A Parquet file says itself how much memory it wants: in its footer, in the header of every page, in the frame of the
// compressed bytes and in the head of an encoding. The library believes it. This file asks first.

// Limits of a Parquet file, ours or another's.
const (
	footerBytesMax   = 8 << 20
	footerListsMax   = 200_000 // elements in all lists of the footer together
	parquetRowsMax   = 20_000_000
	pageBytesMax     = 32 << 20
	parquetGroupsMax = 20_000
)

// depth of the look into a file's pages.
type depth bool

const (
	shallow depth = false // the sizes that are announced: for a file whose digest is in the manifest
	deep    depth = true  // what the pages unpack to as well
)

// openParquet opens a file that lies in memory, when what it announces is believable.
func openParquet(content []byte, d depth) (*parquet.File, error) {
	const magic, frame = "PAR1", 8 // the footer's length and the magic again
	if len(content) < len(magic)+frame || !bytes.HasPrefix(content, []byte(magic)) {
		return nil, errors.New("it does not begin as a Parquet file")
	}
	if !bytes.HasSuffix(content, []byte(magic)) {
		return nil, errors.New("it does not end as a Parquet file: it is cut off or encrypted")
	}
	end := len(content) - frame
	size := int64(binary.LittleEndian.Uint32(content[end:]))
	if size > int64(end-len(magic)) || size > footerBytesMax {
		return nil, fmt.Errorf("its footer would have %d bytes", size)
	}
	lists := footerListsMax
	if _, err := weigh(content[end-int(size):end], &lists); err != nil {
		return nil, fmt.Errorf("its footer is damaged: %w", err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	meta := f.Metadata()
	if f.NumRows() < 0 || f.NumRows() > parquetRowsMax || d == shallow && f.NumRows() > fileRowsMax {
		return nil, fmt.Errorf("it says that it has %d rows", f.NumRows())
	}
	if len(meta.RowGroups) > parquetGroupsMax {
		return nil, fmt.Errorf("it has %d row groups", len(meta.RowGroups))
	}
	for _, group := range meta.RowGroups {
		if group.NumRows < 0 || group.NumRows > f.NumRows() {
			return nil, fmt.Errorf("one of its row groups says that it has %d rows", group.NumRows)
		}
		for i := range group.Columns {
			if d == shallow {
				if err := (&chunk{meta: &group.Columns[i].MetaData, rows: group.NumRows}).walk(content, d); err != nil {
					return nil, err
				}
			}
		}
	}
	return f, nil
}

// A chunk is one column of one row group, before the library reads it.
type chunk struct {
	meta     *format.ColumnMetaData
	rows     int64
	optional bool
	entries  int64 // of the dictionary
}

// walk over the pages and check what each announces.
func (c *chunk) walk(content []byte, d depth) error {
	start := c.meta.DataPageOffset
	if c.meta.DictionaryPageOffset != 0 { // as the library has it
		start = c.meta.DictionaryPageOffset
	}
	size := c.meta.TotalCompressedSize
	if start < 4 || size < 0 || start > int64(len(content)) || size > int64(len(content))-start || c.meta.NumValues != c.rows {
		return errors.New("a column lies outside the file, or has not one value a row")
	}
	rest, values := content[start:start+size], int64(0)
	for len(rest) > 0 {
		lists := 64
		n, err := weigh(rest, &lists)
		if err != nil {
			return fmt.Errorf("a page's header is damaged: %w", err)
		}
		var header format.PageHeader
		if err := thrift.NewDecoder((&thrift.CompactProtocol{}).NewReaderFromBytes(bytes.Clone(rest[:n]))).Decode(&header); err != nil {
			return fmt.Errorf("a page's header is damaged: %w", err)
		}
		if header.CompressedPageSize < 0 || int(header.CompressedPageSize) > len(rest)-n || header.UncompressedPageSize < 0 || header.UncompressedPageSize > pageBytesMax {
			return fmt.Errorf("a page of %d bytes would unpack to %d", header.CompressedPageSize, header.UncompressedPageSize)
		}
		body := rest[n : n+int(header.CompressedPageSize)]
		rest = rest[n+len(body):]
		held, err := c.page(&header, body, d)
		if err != nil {
			return err
		}
		if values += held; values > c.rows {
			return errors.New("its pages announce more values than the column has")
		}
	}
	if values != c.rows {
		return fmt.Errorf("its pages announce %d of %d values", values, c.rows)
	}
	return nil
}

// page checks one page and says how many values it announces.
func (c *chunk) page(header *format.PageHeader, body []byte, d depth) (values int64, err error) {
	switch {
	case header.Type == format.DictionaryPage && header.DictionaryPageHeader.Valid:
		c.entries = int64(header.DictionaryPageHeader.V.NumValues)
		if c.entries < 0 || c.entries > parquetRowsMax {
			return 0, errors.New("its dictionary is too large")
		}
		if d == deep {
			text, err := unpacked(c.meta.Codec, body, header.UncompressedPageSize)
			if err != nil {
				return 0, fmt.Errorf("its dictionary does not unpack: %w", err)
			}
			if c.entries*4 > int64(len(text)) {
				return 0, fmt.Errorf("its dictionary announces %d entries in %d bytes", c.entries, len(text))
			}
		}
		return 0, nil
	case header.Type == format.DataPage && header.DataPageHeader.Valid:
		h := header.DataPageHeader.V
		if d == deep {
			err = c.dataPage(header, h.Encoding, int64(h.NumValues), body)
		}
		return int64(h.NumValues), errors.Join(err, counted(h.NumValues))
	case header.Type == format.DataPageV2 && header.DataPageHeaderV2.Valid:
		h := header.DataPageHeaderV2.V
		if h.NumNulls < 0 || h.NumNulls > h.NumValues || h.NumRows != h.NumValues || h.RepetitionLevelsByteLength != 0 ||
			h.DefinitionLevelsByteLength < 0 || int(h.DefinitionLevelsByteLength) > len(body) || h.DefinitionLevelsByteLength > 0 && !c.optional {
			return 0, errors.New("a page's header contradicts itself")
		}
		if d == deep {
			err = c.dataPageV2(header, body)
		}
		return int64(h.NumValues), errors.Join(err, counted(h.NumValues))
	case header.Type == format.IndexPage:
		return 0, nil
	}
	return 0, errors.New("a page has no header of its kind")
}

func counted(n int32) error {
	if n < 0 {
		return errors.New("a page announces fewer values than none")
	}
	return nil
}

func (c *chunk) dataPage(header *format.PageHeader, encoding format.Encoding, values int64, body []byte) error {
	text, err := unpacked(c.meta.Codec, body, header.UncompressedPageSize)
	if err != nil {
		return err
	}
	if c.optional {
		if len(text) < 4 || int64(binary.LittleEndian.Uint32(text)) > int64(len(text)-4) {
			return errors.New("a page's levels are cut off")
		}
		levels := int(binary.LittleEndian.Uint32(text))
		if err := runs(text[4:4+levels], 1, values); err != nil {
			return err
		}
		text = text[4+levels:]
	}
	return c.values(encoding, text, values)
}

func (c *chunk) dataPageV2(header *format.PageHeader, body []byte) error {
	h := header.DataPageHeaderV2.V
	levels := int(h.DefinitionLevelsByteLength)
	if err := runs(body[:levels], 1, int64(h.NumValues)); err != nil {
		return err
	}
	text, codec := body[levels:], c.meta.Codec
	if h.IsCompressed.Valid && !h.IsCompressed.V {
		codec = format.Uncompressed
	}
	want := header.UncompressedPageSize - h.DefinitionLevelsByteLength
	text, err := unpacked(codec, text, want)
	if err != nil {
		return err
	}
	return c.values(h.Encoding, text, int64(h.NumValues)-int64(h.NumNulls))
}

// values checks the head of an encoding, which says how many there are.
func (c *chunk) values(encoding format.Encoding, text []byte, most int64) error {
	switch encoding {
	case format.Plain, format.ByteStreamSplit:
		return nil // as many as there are bytes for
	//lint:ignore SA1019 Older programs wrote it, and their files are still about.
	case format.PlainDictionary, format.RLEDictionary:
		if len(text) == 0 {
			return nil
		}
		if text[0] > 32 {
			return errors.New("a page's dictionary has entries of more than 32 bits")
		}
		return runs(text[1:], int(text[0]), most)
	case format.DeltaBinaryPacked:
		var head [3]uint64 // size of a block, blocks in it, values
		for i := range head {
			v, n := binary.Uvarint(text)
			if n <= 0 {
				return errors.New("a page's differences are cut off")
			}
			head[i], text = v, text[n:]
		}
		if head[0] > 1<<16 || head[1] == 0 || head[1] > head[0] || head[2] > uint64(most) {
			return errors.New("a page has more differences than values")
		}
		return nil
	}
	return fmt.Errorf("it is written with the encoding %s, which lifeboat does not read", encoding)
}

// runs checks a sequence of small numbers that says of each how often it comes.
func runs(text []byte, width int, most int64) error {
	const pad = 8 // the last group of packed numbers is filled up
	held := int64(0)
	for len(text) > 0 && held < most {
		head, n := binary.Uvarint(text)
		if n <= 0 || head>>1 > uint64(most)+pad {
			return errors.New("a page's runs are longer than the page")
		}
		text = text[n:]
		size := (width + 7) / 8
		if count := int64(head >> 1); head&1 == 1 {
			held += 8 * count
			size = int(count) * width
		} else {
			held += count
		}
		text = text[min(size, len(text)):]
	}
	if len(text) > 0 || held > most+pad {
		return errors.New("a page has more runs than values")
	}
	return nil
}

// unpacked undoes the compression of a page within the size it announces.
func unpacked(codec format.CompressionCodec, body []byte, size int32) ([]byte, error) {
	if size < 0 || size > pageBytesMax {
		return nil, fmt.Errorf("a page would unpack to %d bytes", size)
	}
	var text []byte
	var err error
	switch codec {
	case format.Uncompressed:
		text = body
	case format.Snappy:
		if n, wrong := snappy.DecodedLen(body); wrong != nil || n != int(size) {
			return nil, errors.New("a page does not unpack to the size it announces")
		}
		text, err = snappy.Decode(nil, body)
	case format.Zstd:
		var d *zstd.Decoder
		if d, err = zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(pageBytesMax), zstd.WithDecoderMaxWindow(pageBytesMax)); err == nil {
			text, err = io.ReadAll(io.LimitReader(d, int64(size)+1))
			d.Close()
		}
	case format.Gzip:
		var d *gzip.Reader
		if d, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			text, err = io.ReadAll(io.LimitReader(d, int64(size)+1))
		}
	default:
		return nil, fmt.Errorf("it is compressed with %s: write it again with zstd, snappy or gzip", codec)
	}
	if err != nil {
		return nil, fmt.Errorf("a page does not unpack: %w", err)
	}
	if len(text) != int(size) {
		return nil, errors.New("a page does not unpack to the size it announces")
	}
	return text, nil
}

// weigh walks over one structure of Thrift's compact protocol without building it, and returns its length. Texts must
// lie within the bytes, and all lists together may hold so many elements.
func weigh(text []byte, lists *int) (length int, err error) {
	s := scales{text: text, lists: lists}
	s.structure(0)
	return s.at, s.err
}

type scales struct {
	text  []byte
	at    int
	lists *int
	err   error
}

func (s *scales) structure(nested int) {
	const nestedMax = 24
	if nested > nestedMax {
		s.fail("it is nested too deeply")
	}
	for s.err == nil {
		head := s.byte()
		if s.err != nil || head == 0 {
			return
		}
		if head>>4 == 0 {
			s.number()
		}
		s.value(head&0x0f, nested)
	}
}

// value of a kind; true and false are in the kind itself.
func (s *scales) value(kind byte, nested int) {
	switch kind {
	case 1, 2:
	case 3:
		s.skip(1)
	case 4, 5, 6:
		s.number()
	case 7:
		s.skip(8)
	case 8:
		s.skip(s.number())
	case 9, 10:
		s.list(nested)
	case 11:
		s.fail("it has a map, of which Parquet knows none")
	case 12:
		s.structure(nested + 1)
	default:
		s.fail("it is no Thrift")
	}
}

func (s *scales) list(nested int) {
	head := s.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = s.number()
	}
	if size > uint64(len(s.text)-s.at) || size > uint64(*s.lists) {
		s.fail("a list is longer than the file")
		return
	}
	*s.lists -= int(size)
	for range size {
		if kind := head & 0x0f; kind == 1 || kind == 2 {
			s.skip(1)
		} else {
			s.value(kind, nested)
		}
		if s.err != nil {
			return
		}
	}
}

func (s *scales) byte() byte {
	if s.at >= len(s.text) {
		s.fail("it is cut off")
		return 0
	}
	s.at++
	return s.text[s.at-1]
}

func (s *scales) number() uint64 {
	v, n := binary.Uvarint(s.text[s.at:])
	if n <= 0 {
		s.fail("it is cut off")
		return 0
	}
	s.at += n
	return v
}

func (s *scales) skip(n uint64) {
	if n > uint64(len(s.text)-s.at) {
		s.fail("it is cut off")
		return
	}
	s.at += int(n)
}

func (s *scales) fail(why string) {
	if s.err == nil {
		s.err = errors.New(why)
	}
}

// sheltered turns a panic of the library over a damaged file into an error. Nothing of ours is under way then.
func sheltered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("it is damaged in a way that Parquet's reader does not survive: %v", p)
	}
}
