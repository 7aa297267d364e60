# The test is a small host in C, whatever the runner is written in.
build/test: test.c @INCLUDE@/stadion_runner.h
	mkdir -p build
	$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra -I@INCLUDE@ -O1 -g test.c -ldl -o $@

.PHONY: test check clean
test: $(library) build/test
	build/test ./$(library) models/@NAME@/1/model.@NAME@

# The host's conformance kit, where there is a host.
STADION ?= stadion
check: $(library)
	@if command -v "$(STADION)" > /dev/null; \
	then "$(STADION)" runner check ./$(library) --model models/@NAME@/1/model.@NAME@; \
	else echo "check: skipped, there is no $(STADION) on PATH; give make check STADION=/path/to/stadion"; fi

clean:
	rm -rf build .build $(library)
