# shellcheck shell=bash
# What came of the tests, read from the runner's report (JUnit XML, one test case an element). Read by tests/run.

# A line for each test, with tabs: passed, failed or skipped; seconds; program, in the runner's words; name; what a skipped one needs.
cases() { # REPORT..
    awk '
        function field(name) {
            return match($0, " " name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : ""
        }
        function flush() {
            if (test != "") printf "%s\t%s\t%s\t%s\t%s\n", status, seconds, program, test, reason
            test = ""
        }
        /<testcase / {
            flush()
            test = field("name"); program = field("classname"); seconds = field("time"); status = "passed"; reason = ""
        }
        /<(failure|error)[ >]/ { status = "failed" }
        status == "passed" && /SKIPPED: / { status = "skipped"; reason = $0; sub(/^.*SKIPPED: /, "", reason); sub(/<\/.*/, "", reason) }
        /<\/testsuite>/ { flush() }
    ' "$@"
}

# All that one test printed.
output_of() { # REPORT PROGRAM TEST
    awk -v program="$2" -v test="$3" '
        /<testcase / {
            inside = index($0, " name=\"" test "\"") && index($0, " classname=\"" program "\"")
            next
        }
        /<\/testcase>/ { inside = 0 }
        # The failure repeats a piece of what follows it.
        /<(failure|error)[ >]/ { inside_failure = 1 }
        inside && !inside_failure {
            gsub(/<[^>]*>/, "")
            gsub(/&lt;/, "<"); gsub(/&gt;/, ">"); gsub(/&quot;/, "\""); gsub(/&apos;/, "\047"); gsub(/&#10;/, "\n"); gsub(/&amp;/, "\\&")
            print
        }
        /<\/(failure|error)>/ { inside_failure = 0 }
    ' "$1"
}

# Seconds for people: 7 s, 2 min 3 s.
duration() {
    if [ "$1" -lt 60 ]; then printf '%d s' "$1"; else printf '%d min %d s' $(($1 / 60)) $(($1 % 60)); fi
}
