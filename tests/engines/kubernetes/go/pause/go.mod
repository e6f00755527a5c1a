module lethe.dev/tests/engines/pause

go 1.24.0
