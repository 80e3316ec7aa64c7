// What is accepted is JSON with a kind.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/protobuf/kube.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace tidemill::wire;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const auto object = parse_kube_protobuf(body);
    if (!object) {
        CHECK(!object.error().message.empty());
        return 0;
    }
    CHECK(JsonReader(*object).at("kind").string().has_value());
    const auto back = parse_json(write_json(*object));
    CHECK(back && *back == *object);
    return 0;
}
