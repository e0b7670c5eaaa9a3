package consume

// DecodeToken reads a lease's token in any form of base64.
func DecodeToken(text string) ([]byte, error) { return Token(text) }

// EncodeToken is a lease's token as it is printed.
func EncodeToken(token []byte) string { return encodeToken(token) }
