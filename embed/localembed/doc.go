// Package localembed is the embedded model: it needs no file, no training and no other process. Its one tier, "hashed", is
// a random projection of a text's surface features into 256 dimensions, so it finds texts alike that share words, parts of
// words or characters; what is said in other words, or in another language, it does not recognise.
//
// Main path:
//
//	e := embed.New(localembed.New(), embed.Options{})
//	vectors, err = e.EmbedOne(ctx, "I was charged twice", driver.Query, vectors)
//
// Text to vector: case, full-width forms and Latin diacritics are folded; taken are words, pairs of neighbouring words, the
// character 3- and 4-grams inside words that are no function words, and runs of one to three characters of scripts without
// spaces; each is weighted by kind times the square root of how often it occurs; its 64-bit hash places it on 4 of the 256
// coordinates with a sign each; the sum is scaled to unit length.
//
// Guarantees beside those of embed/driver:
//
//   - The vector depends on the text alone and has the same bits on every machine. Whatever it depends on beside the text is
//     hashed into the space's name.
//   - Nothing is allocated once the pool is warm. A text of 100 bytes costs a few microseconds, and cost grows with the
//     length up to MaxBytes, beyond which nothing is looked at.
package localembed
