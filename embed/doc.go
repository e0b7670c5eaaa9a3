// Package embed turns texts into vectors: the portable embedder over any model behind embed/driver, and the extraction of
// what is worth embedding from a payload.
//
// Main path:
//
//	e := embed.New(localembed.New(), embed.Options{})
//	text, ok := embed.Extract(message.ContentType, message.Payload)
//	vectors, err = e.EmbedOne(ctx, text, driver.Query, vectors) // one a tier; the vectors of the last call are reused
//	similarity := embed.Dot(vectors[0].Values, other.Values) // of equal Space only
//
// Guarantees, over every driver that passes package embedtest:
//
//   - A text is checked once, here: it must be UTF-8, and what is longer than a tier's bound is cut on a rune border and
//     marked Truncated, never refused.
//   - Vectors come in the order of the texts, one a tier in the order of Tiers, of the tier's dimension and of unit length,
//     or all zero for a text in which the model found nothing. A driver that answers anything else is an INTERNAL error and
//     not a bad match later.
//   - Equal texts have equal vectors, whether they come alone or among others.
//   - A vector names its space. Vectors of two spaces are never compared.
//   - Errors are *semabus.Error and concern all texts of a call: INVALID_ARGUMENT/INVALID_UTF8 naming the text,
//     UNAVAILABLE/ENGINE_UNAVAILABLE from a driver that does not say better, CANCELLED and DEADLINE_EXCEEDED with the context.
//
// There is no cache: the default driver computes a vector in a few microseconds, about what a look-up under contention costs.
// A driver for which that is not so brings its own.
package embed
