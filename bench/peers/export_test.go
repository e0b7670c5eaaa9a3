package main

// For the tests.
const ServeArg = serveArg

var Run = run
