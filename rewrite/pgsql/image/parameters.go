package image

import "github.com/crossfade-db/crossfade/rewrite"

// CellTypes are the types of the parameters of an image at the target.
func CellTypes(p *rewrite.Pair) []uint32 {
	types := make([]uint32, len(p.Cells))
	for i := range p.Cells {
		types[i] = targetType(&p.Cells[i])
	}
	return types
}

// KeyTypes are the types of the parameters of a key at the target.
func KeyTypes(p *rewrite.Pair) []uint32 {
	return ofKey(p, targetType)
}

// SourceKeyTypes are the types of the parameters of a key at the source.
func SourceKeyTypes(p *rewrite.Pair) []uint32 {
	return ofKey(p, func(c *rewrite.Cell) uint32 {
		if !c.Binary {
			return textType
		}
		return c.Type
	})
}

// ArrayTypes are the types of the parameters of the All texts; 0: the schema
// does not know the array, and the pair cannot be batched.
func ArrayTypes(p *rewrite.Pair, target *rewrite.Schema) []uint32 {
	types := make([]uint32, len(p.Cells))
	for i := range p.Cells {
		types[i] = arrayType(&p.Cells[i], target)
	}
	return types
}

// KeyArrayTypes are the types of the parameters of DeleteAll.
func KeyArrayTypes(p *rewrite.Pair, target *rewrite.Schema) []uint32 {
	return ofKey(p, func(c *rewrite.Cell) uint32 { return arrayType(c, target) })
}

// Formats are the formats that cells travel in: 1 binary, 0 text.
func Formats(p *rewrite.Pair) []int16 {
	formats := make([]int16, len(p.Cells))
	for i := range p.Cells {
		formats[i] = format(&p.Cells[i])
	}
	return formats
}

// KeyFormats are the formats of the cells of a key.
func KeyFormats(p *rewrite.Pair) []int16 { return ofKey(p, format) }

func ofKey[T any](p *rewrite.Pair, f func(*rewrite.Cell) T) []T {
	values := make([]T, len(p.Key))
	for i, cell := range p.Key {
		values[i] = f(&p.Cells[cell])
	}
	return values
}

func targetType(c *rewrite.Cell) uint32 {
	if !c.Binary {
		return textType
	}
	return c.TargetType
}

func arrayType(c *rewrite.Cell, target *rewrite.Schema) uint32 {
	if !c.Binary {
		return textArray
	}
	if t := target.Types[c.TargetType]; t != nil {
		return t.Array
	}
	return 0
}

func format(c *rewrite.Cell) int16 {
	if c.Binary {
		return 1
	}
	return 0
}
