package localembed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// version rises with every change of the code that changes a vector; changes of the constants below are seen by themselves.
const version = 1

// space is the identity of the vectors: everything they depend on.
var space = func() string {
	sum := sha256.Sum256(fmt.Append(nil, "hashed", version, Dim, blocks, MaxBytes, maxFeatures, maxWord, minGram, maxGram,
		[]float64{weightWord, weightPair, weightGram, weightSingle, weightDouble, weightTriple, weightStop},
		[]uint64{seedWord, seedPair, seedGram, seedSingle, multiplier}, stopEnglish, stopChinese, plain))
	return "hashed-" + hex.EncodeToString(sum[:8])
}()
