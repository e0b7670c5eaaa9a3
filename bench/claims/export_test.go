package main

// Run is for the tests.
var Run = run
