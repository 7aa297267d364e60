# The test is a small host in C, whatever the runner is written in.
build/test: test.c @INCLUDE@/stadion_runner.h
	mkdir -p build
	$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra -I@INCLUDE@ -O1 -g test.c -ldl -o $@

.PHONY: test clean
test: $(library) build/test
	build/test ./$(library) models/@NAME@/1/model.@NAME@

clean:
	rm -rf build .build $(library)
