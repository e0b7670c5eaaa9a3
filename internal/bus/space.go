package bus

// Space names the embedding space and tier of the scores that Match returns: those of the embedder's first tier.
func (b *Bus) Space() (space, tier string) {
	if t := b.embed.Tiers(); len(t) > 0 {
		return t[0].Space, t[0].Name
	}
	return "", ""
}
