package localbroker

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// A lease token is one version byte and one AES block over (delivery number, lease sequence) under the folder's own key. The
// upper bits of both numbers are zero for as long as a folder lives, so a garbled or invented block does not decrypt to a
// delivery: the token cannot be guessed, and the engine keeps nothing to recognise its own.
const (
	tokenVersion = 1
	tokenBytes   = 1 + aes.BlockSize
)

type tokens struct{ block cipher.Block }

func newTokens(key [16]byte) tokens {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a key of 16 bytes is always good
	}
	return tokens{block}
}

func (t tokens) seal(number, seq uint64) []byte {
	out := make([]byte, tokenBytes)
	out[0] = tokenVersion
	binary.BigEndian.PutUint64(out[1:], number)
	binary.BigEndian.PutUint64(out[9:], seq)
	t.block.Encrypt(out[1:], out[1:])
	return out
}

func (t tokens) open(token []byte) (number, seq uint64, ok bool) {
	if len(token) != tokenBytes || token[0] != tokenVersion {
		return 0, 0, false
	}
	var plain [aes.BlockSize]byte
	t.block.Decrypt(plain[:], token[1:])
	return binary.BigEndian.Uint64(plain[:8]), binary.BigEndian.Uint64(plain[8:]), true
}

// hash is a keyed hash of a message's name: of those who can choose ids nobody can choose where they collide. It is the MAC
// of CBC over (length, tenant, id) under the folder's key, cut to 64 bits; lengths come first, so that no text is the beginning
// of another.
func (t tokens) hash(of *tenant, id string) uint64 {
	var state [aes.BlockSize]byte
	binary.BigEndian.PutUint64(state[:8], uint64(len(of.name)))
	binary.BigEndian.PutUint64(state[8:], uint64(len(id)))
	t.block.Encrypt(state[:], state[:])
	for _, s := range [...]string{of.name, id} {
		for len(s) > 0 {
			n := min(len(s), len(state))
			for i := range n {
				state[i] ^= s[i]
			}
			t.block.Encrypt(state[:], state[:])
			s = s[n:]
		}
	}
	return binary.BigEndian.Uint64(state[:8])
}
