// How a result is printed: `-o`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/flags.h"
#include "wire/json.h"

namespace tidemill::cli {

struct Format {
    enum class Kind : std::uint8_t {
        table,
        wide,
        json,
        jsonl,  // one object in each line
        yaml,
        name,
        jsonpath,
    } kind = Kind::table;
    std::string path;  // of jsonpath

    bool is_document() const {
        return kind == Kind::json || kind == Kind::jsonl || kind == Kind::yaml ||
               kind == Kind::jsonpath;
    }
};

// The `-o` of commands that print objects.
Flag output_flag();
// Reads the value of `-o`; absent means a table. Errors: invalid (with what there is).
base::Result<Format> parse_format(const Invocation& given);
// A document in one of the document formats; a template alone ends without a line end, as with
// kubectl. Precondition: format.is_document().
// Errors: those of a jsonpath template.
base::Result<std::string> show(const wire::Json& document, const Format& format);

}  // namespace tidemill::cli
