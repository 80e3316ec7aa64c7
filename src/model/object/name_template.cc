#include "model/object/name_template.h"

#include "base/text.h"

namespace tidemill::model {

base::Result<std::string> expand_template(
    std::string_view text, const std::map<std::string_view, std::string_view>& values) {
    std::string out;
    auto rest = text;
    while (true) {
        const auto open = rest.find("{{");
        out += rest.substr(0, open);
        if (open == std::string_view::npos) {
            return out;
        }
        const auto close = rest.find("}}", open);
        if (close == std::string_view::npos) {
            return base::fail(base::Code::invalid, "template \"{}\": unclosed action", text);
        }
        const auto action = base::trim(rest.substr(open + 2, close - open - 2));
        const auto value = action.starts_with('.') ? values.find(action.substr(1)) : values.end();
        if (value == values.end()) {
            return base::fail(base::Code::invalid, "template \"{}\": {{{{{}}}}} is not understood",
                              text, action);
        }
        out += value->second;
        rest.remove_prefix(close + 2);
    }
}

}  // namespace tidemill::model
