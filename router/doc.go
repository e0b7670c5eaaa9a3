// Package router decides which groups hear a message.
package router
