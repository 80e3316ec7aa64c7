// YAML as kubectl reads and prints it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/json.h"

namespace tidemill::wire {

// Reads a stream of YAML documents; a document with nothing in it is left out.
//
// Plain scalars mean what they mean to kubectl (sigs.k8s.io/yaml 1.4, measured 2026-11 with its own
// code): y, yes, on and true are true, n, no, off and false are false (each in lower case,
// Capitalised and UPPER CASE), ~ and null and nothing are null; integers may be written 12, 0x1f,
// 0b101, 0o17 and 017 (15, octal) with a sign and with underscores; other digits with a point or an
// exponent are doubles, as are integers beyond 64 bits; dates and 12:30:45 are strings; .inf and
// .nan are refused. Keys become strings after that ("on:" is the key "true", "0x10:" is "16"), and
// keys that are null, arrays or objects are refused. Where kubectl lets the last of two equal keys
// win, we refuse.
//
// `<<` merges objects, aliases are expanded and count as often against nodes_max as they are used.
// Errors: invalid ("line 3, column 7: …"), exhausted (a limit).
base::Result<std::vector<Json>> parse_yaml(std::string_view text, const JsonLimits& limits = {});

// One document as `kubectl -o yaml` prints it: block style, keys sorted, two spaces, sequences not
// indented below their key, text of several lines as a literal block. Reading it gives the same
// value; long lines are not folded.
std::string write_yaml(const Json& value);

// The value of a plain scalar by the rules above.
Json resolve_yaml_scalar(std::string_view text);

}  // namespace tidemill::wire
