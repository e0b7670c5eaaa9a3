// Package router decides which groups hear a message, from intents written in plain words.
//
// Main path:
//
//	r, err := router.New(router.Options{Embedder: embedder, Index: index})
//	go r.Run(ctx)                                       // in the node's errgroup: fits changed sets in the background
//	in, err := r.Check(ctx, tenant, &intent)            // validate, before it goes into the registry log
//	err = r.Apply(ctx, tenant, []*router.Change{&c})    // fold the log: new, changed and deleted intents, sets, feedback
//	d, err := r.Decide(ctx, &router.Request{Tenant: tenant, Message: m, Vectors: vectors})
//	m, err := r.Explain(ctx, request, "refunds")        // one intent's evidence, and why it did or did not match
//
// A decision goes through the message's address, its topic, audience and filters, and then the evidence of its text. Lexical
// evidence is a sparse inverted index over words, word pairs, character 3-grams and Chinese characters and bigrams; vector
// evidence is the cosine with the centroid of an intent's texts. Intents of one set compete: each has a score, and its margin
// over its siblings and over "for nobody" becomes a probability by a calibration on texts that the scorer had not seen. An
// intent is delivered to from its own threshold on, which follows from its budget and from held-out texts.
//
// A new intent takes part at once, by its own texts under the tenant's live word frequencies (a loose head). When its set has
// two intents with two texts or more, the set is fitted in the background: a linear scorer that knows what tells siblings
// apart (a trained head). A set of more than 4,096 intents, and an independent intent, keep their loose heads.
//
// Guarantees:
//
//   - Changes never block a decision, and a decision sees each change wholly or not at all. It says at which version.
//   - Once [Router.Settled], decisions depend on what is registered, not on how it got there.
//   - A decision equals that of a scan over every intent: posting lists, index and candidates lose nothing.
//   - Audience and filters come before scoring: what may not have a message does not take part in the contest for it.
//   - Nothing of one tenant or set weighs in another's scores, but for the rarity of words, which is the tenant's.
//   - Every match and near miss has a reason from the closed list of [semabus.MatchReason].
//   - Errors are *semabus.Error, or those of the index.
package router
