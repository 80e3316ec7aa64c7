#include "wire/protobuf/kube.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/time.h"
#include "wire/protobuf/reader.h"

namespace tidemill::wire {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

enum class Kind : std::uint8_t {
    string,
    integer,  // int32 and int64
    boolean,
    message,
    time,
    micro_time,
    int_or_string,
    strings,     // repeated string
    messages,    // repeated message
    string_map,  // map<string, string>
    bytes_map,   // map<string, bytes>
};

// Go marshals a field that is no pointer even when it is empty; in JSON the same field is left out.
// One that is a pointer is there only when it was set, and then its zero counts.
enum class Zero : std::uint8_t { omitted, kept };

struct Message;
struct Field {
    std::uint32_t number;
    std::string_view name;
    Kind kind;
    Zero zero = Zero::omitted;
    const Message* message = nullptr;
};
struct Message {
    std::span<const Field> fields;
};

constexpr Field owner_reference_fields[] = {
    {5, "apiVersion", Kind::string},
    {1, "kind", Kind::string},
    {3, "name", Kind::string},
    {4, "uid", Kind::string},
    {6, "controller", Kind::boolean, Zero::kept},
    {7, "blockOwnerDeletion", Kind::boolean, Zero::kept},
};
constexpr Message owner_reference{owner_reference_fields};

constexpr Field metadata_fields[] = {
    {1, "name", Kind::string},
    {2, "generateName", Kind::string},
    {3, "namespace", Kind::string},
    {5, "uid", Kind::string},
    {6, "resourceVersion", Kind::string},
    {7, "generation", Kind::integer},
    {8, "creationTimestamp", Kind::time},
    {9, "deletionTimestamp", Kind::time},
    {10, "deletionGracePeriodSeconds", Kind::integer, Zero::kept},
    {11, "labels", Kind::string_map},
    {12, "annotations", Kind::string_map},
    {13, "ownerReferences", Kind::messages, Zero::omitted, &owner_reference},
    {14, "finalizers", Kind::strings},
};
constexpr Message metadata{metadata_fields};

constexpr Field object_reference_fields[] = {
    {1, "kind", Kind::string},       {2, "namespace", Kind::string},
    {3, "name", Kind::string},       {4, "uid", Kind::string},
    {5, "apiVersion", Kind::string}, {6, "resourceVersion", Kind::string},
    {7, "fieldPath", Kind::string},
};
constexpr Message object_reference{object_reference_fields};

constexpr Field local_reference_fields[] = {{1, "name", Kind::string}};
constexpr Message local_reference{local_reference_fields};

constexpr Field namespace_spec_fields[] = {{1, "finalizers", Kind::strings}};
constexpr Message namespace_spec{namespace_spec_fields};
constexpr Field namespace_status_fields[] = {{1, "phase", Kind::string}};
constexpr Message namespace_status{namespace_status_fields};
constexpr Field namespace_fields[] = {
    {1, "metadata", Kind::message, Zero::omitted, &metadata},
    {2, "spec", Kind::message, Zero::omitted, &namespace_spec},
    {3, "status", Kind::message, Zero::omitted, &namespace_status},
};

constexpr Field secret_fields[] = {
    {1, "metadata", Kind::message, Zero::omitted, &metadata},
    {2, "data", Kind::bytes_map},
    {3, "type", Kind::string},
    {4, "stringData", Kind::string_map},
    {5, "immutable", Kind::boolean, Zero::kept},
};

constexpr Field config_map_fields[] = {
    {1, "metadata", Kind::message, Zero::omitted, &metadata},
    {2, "data", Kind::string_map},
    {3, "binaryData", Kind::bytes_map},
    {4, "immutable", Kind::boolean, Zero::kept},
};

constexpr Field service_account_fields[] = {
    {1, "metadata", Kind::message, Zero::omitted, &metadata},
    {2, "secrets", Kind::messages, Zero::omitted, &object_reference},
    {3, "imagePullSecrets", Kind::messages, Zero::omitted, &local_reference},
    {4, "automountServiceAccountToken", Kind::boolean, Zero::kept},
};

constexpr Field service_port_fields[] = {
    {1, "name", Kind::string},
    {2, "protocol", Kind::string},
    {3, "port", Kind::integer, Zero::kept},
    {4, "targetPort", Kind::int_or_string},
    {5, "nodePort", Kind::integer},
    {6, "appProtocol", Kind::string, Zero::kept},
};
constexpr Message service_port{service_port_fields};
constexpr Field client_ip_fields[] = {{1, "timeoutSeconds", Kind::integer, Zero::kept}};
constexpr Message client_ip{client_ip_fields};
constexpr Field session_affinity_fields[] = {
    {1, "clientIP", Kind::message, Zero::omitted, &client_ip},
};
constexpr Message session_affinity{session_affinity_fields};
constexpr Field service_spec_fields[] = {
    {1, "ports", Kind::messages, Zero::omitted, &service_port},
    {2, "selector", Kind::string_map},
    {3, "clusterIP", Kind::string},
    {4, "type", Kind::string},
    {5, "externalIPs", Kind::strings},
    {7, "sessionAffinity", Kind::string},
    {8, "loadBalancerIP", Kind::string},
    {9, "loadBalancerSourceRanges", Kind::strings},
    {10, "externalName", Kind::string},
    {11, "externalTrafficPolicy", Kind::string},
    {12, "healthCheckNodePort", Kind::integer},
    {13, "publishNotReadyAddresses", Kind::boolean},
    {14, "sessionAffinityConfig", Kind::message, Zero::omitted, &session_affinity},
    {17, "ipFamilyPolicy", Kind::string, Zero::kept},
    {18, "clusterIPs", Kind::strings},
    {19, "ipFamilies", Kind::strings},
    {20, "allocateLoadBalancerNodePorts", Kind::boolean, Zero::kept},
    {21, "loadBalancerClass", Kind::string, Zero::kept},
    {22, "internalTrafficPolicy", Kind::string, Zero::kept},
    {23, "trafficDistribution", Kind::string, Zero::kept},
};
constexpr Message service_spec{service_spec_fields};
constexpr Field service_fields[] = {
    {1, "metadata", Kind::message, Zero::omitted, &metadata},
    {2, "spec", Kind::message, Zero::omitted, &service_spec},
};

constexpr Field event_source_fields[] = {
    {1, "component", Kind::string},
    {2, "host", Kind::string},
};
constexpr Message event_source{event_source_fields};
constexpr Field event_series_fields[] = {
    {1, "count", Kind::integer},
    {2, "lastObservedTime", Kind::micro_time},
};
constexpr Message event_series{event_series_fields};
constexpr Field event_fields[] = {
    {1, "metadata", Kind::message, Zero::omitted, &metadata},
    {2, "involvedObject", Kind::message, Zero::omitted, &object_reference},
    {3, "reason", Kind::string},
    {4, "message", Kind::string},
    {5, "source", Kind::message, Zero::omitted, &event_source},
    {6, "firstTimestamp", Kind::time},
    {7, "lastTimestamp", Kind::time},
    {8, "count", Kind::integer},
    {9, "type", Kind::string},
    {10, "eventTime", Kind::micro_time},
    {11, "series", Kind::message, Zero::omitted, &event_series},
    {12, "action", Kind::string},
    {13, "related", Kind::message, Zero::omitted, &object_reference},
    {14, "reportingComponent", Kind::string},
    {15, "reportingInstance", Kind::string},
};

constexpr Field preconditions_fields[] = {
    {1, "uid", Kind::string, Zero::kept},
    {2, "resourceVersion", Kind::string, Zero::kept},
};
constexpr Message preconditions{preconditions_fields};
constexpr Field delete_options_fields[] = {
    {1, "gracePeriodSeconds", Kind::integer, Zero::kept},
    {2, "preconditions", Kind::message, Zero::omitted, &preconditions},
    {3, "orphanDependents", Kind::boolean, Zero::kept},
    {4, "propagationPolicy", Kind::string, Zero::kept},
    {5, "dryRun", Kind::strings},
    {6, "ignoreStoreReadErrorWithClusterBreakingPotential", Kind::boolean, Zero::kept},
};

struct KnownKind {
    std::string_view api_version;  // empty: any
    std::string_view kind;
    Message message;
};
constexpr KnownKind known_kinds[] = {
    {"v1", "Namespace", {namespace_fields}},
    {"v1", "Secret", {secret_fields}},
    {"v1", "ConfigMap", {config_map_fields}},
    {"v1", "ServiceAccount", {service_account_fields}},
    {"v1", "Service", {service_fields}},
    {"v1", "Event", {event_fields}},
    {"", "DeleteOptions", {delete_options_fields}},
};

Result<std::string_view> text_of(const ProtobufField& field) {
    if (field.type != ProtobufType::bytes) {
        return fail(Code::invalid, "not a string");
    }
    if (!base::is_utf8(field.bytes)) {
        return fail(Code::invalid, "not UTF-8");
    }
    return field.bytes;
}

Result<std::uint64_t> number_of(const ProtobufField& field) {
    if (field.type != ProtobufType::varint) {
        return fail(Code::invalid, "not a number");
    }
    return field.value;
}

class Decoder {
public:
    explicit Decoder(const JsonLimits& limits) : nodes_left_(limits.nodes_max) {}

    Status decode(std::string_view bytes, const Message& message, const std::string& path,
                  JsonObject& out) {
        // Protobuf lets the last of two equal fields win: two readers could see two messages.
        std::uint64_t seen = 0;
        ProtobufReader reader(bytes);
        while (true) {
            auto next = reader.next();
            if (!next) {
                return base::wrap(prefix(path), std::move(next).error());
            }
            if (!*next) {
                return base::ok;
            }
            const auto known =
                std::find_if(message.fields.begin(), message.fields.end(),
                             [&](const Field& field) { return field.number == (*next)->number; });
            if (known == message.fields.end()) {
                continue;
            }
            const std::string field_path = join_path(path, known->name);
            const bool repeats = known->kind == Kind::strings || known->kind == Kind::messages ||
                                 known->kind == Kind::string_map || known->kind == Kind::bytes_map;
            const std::uint64_t bit = std::uint64_t{1} << (known - message.fields.begin());
            if (!repeats && (seen & bit) != 0) {
                return fail(Code::invalid, "{}: given twice", field_path);
            }
            seen |= bit;
            if (nodes_left_-- == 0) {
                return fail(Code::exhausted, "more values than allowed");
            }
            if (Status done = decode_field(**next, *known, field_path, out); !done) {
                // Errors from further inside begin with their own, longer path.
                return done.error().message.starts_with(field_path)
                           ? done
                           : base::wrap(prefix(field_path), std::move(done).error());
            }
        }
    }

private:
    static std::string prefix(const std::string& path) { return path.empty() ? path : path + ": "; }

    Status decode_field(const ProtobufField& in, const Field& field, const std::string& path,
                        JsonObject& out) {
        switch (field.kind) {
            case Kind::string: {
                TRY(const auto text, text_of(in));
                put(field, !text.empty(), Json(text), out);
                return base::ok;
            }
            case Kind::integer: {
                TRY(const auto number, number_of(in));
                put(field, number != 0, Json(static_cast<std::int64_t>(number)), out);
                return base::ok;
            }
            case Kind::boolean: {
                TRY(const auto number, number_of(in));
                put(field, number != 0, Json(number != 0), out);
                return base::ok;
            }
            case Kind::time:
            case Kind::micro_time:
                return decode_time(in, field, out);
            case Kind::int_or_string:
                return decode_int_or_string(in, field, out);
            case Kind::strings: {
                TRY(const auto text, text_of(in));
                list(field, out).push_back(Json(text));
                return base::ok;
            }
            case Kind::string_map:
            case Kind::bytes_map:
                return decode_entry(in, field, out);
            case Kind::message:
            case Kind::messages:
                break;
        }
        if (in.type != ProtobufType::bytes) {
            return fail(Code::invalid, "not a message");
        }
        JsonObject inner;
        if (field.kind == Kind::messages) {
            const std::string element = join_path(path, list(field, out).size());
            CHECK_OK(decode(in.bytes, *field.message, element, inner));
            list(field, out).push_back(std::move(inner));
            return base::ok;
        }
        CHECK_OK(decode(in.bytes, *field.message, path, inner));
        put(field, !inner.empty(), std::move(inner), out);
        return base::ok;
    }

    static void put(const Field& field, bool is_set, Json value, JsonObject& out) {
        if (is_set || field.zero == Zero::kept) {
            out.emplace(field.name, std::move(value));
        }
    }

    static JsonArray& list(const Field& field, JsonObject& out) {
        return out.emplace(field.name, JsonArray()).first->value().get_array();
    }

    static Status decode_time(const ProtobufField& in, const Field& field, JsonObject& out) {
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;
        if (in.type != ProtobufType::bytes) {
            return fail(Code::invalid, "not a time");
        }
        if (in.bytes.empty()) {
            return base::ok;  // Go's zero time
        }
        ProtobufReader reader(in.bytes);
        while (true) {
            TRY(const auto part, reader.next());
            if (!part) {
                break;
            }
            TRY(const auto number, number_of(*part));
            if (part->number == 1) {
                seconds = static_cast<std::int64_t>(number);
            } else if (part->number == 2) {
                nanoseconds = static_cast<std::int64_t>(number);
            }
        }
        // The years that nanoseconds since 1970 can tell: 1678 to 2262.
        constexpr std::int64_t seconds_max = INT64_MAX / 1'000'000'000 - 1;
        if (seconds > seconds_max || seconds < -seconds_max || nanoseconds < 0 ||
            nanoseconds > 999'999'999) {
            return fail(Code::invalid, "a time out of range");
        }
        const base::WallTime at{seconds * 1'000'000'000 + nanoseconds};
        std::string text = format_rfc3339(at);
        if (field.kind == Kind::micro_time) {
            text = format_rfc3339_ns(at);
            text.erase(text.size() - 4, 3);  // Kubernetes writes six of the nine digits
        }
        out.emplace(field.name, std::move(text));
        return base::ok;
    }

    static Status decode_int_or_string(const ProtobufField& in, const Field& field,
                                       JsonObject& out) {
        if (in.type != ProtobufType::bytes) {
            return fail(Code::invalid, "not a number or string");
        }
        bool is_string = false;
        std::int64_t integer = 0;
        std::string_view text = "";
        ProtobufReader reader(in.bytes);
        while (true) {
            TRY(const auto part, reader.next());
            if (!part) {
                break;
            }
            if (part->number == 3) {
                TRY(text, text_of(*part));
            } else if (part->number <= 2) {
                TRY(const auto number, number_of(*part));
                if (part->number == 1) {
                    is_string = number != 0;
                } else {
                    integer = static_cast<std::int64_t>(number);
                }
            }
        }
        const bool is_set = is_string || integer != 0;
        put(field, is_set, is_string ? Json(text) : Json(integer), out);
        return base::ok;
    }

    static Status decode_entry(const ProtobufField& in, const Field& field, JsonObject& out) {
        if (in.type != ProtobufType::bytes) {
            return fail(Code::invalid, "not a map entry");
        }
        // Not null: Boost copies from the pointer of an empty text, too.
        std::string_view key = "";
        std::string_view value = "";
        ProtobufReader reader(in.bytes);
        while (true) {
            TRY(const auto part, reader.next());
            if (!part) {
                break;
            }
            if (part->number == 1) {
                TRY(key, text_of(*part));
            } else if (part->number == 2 && field.kind == Kind::string_map) {
                TRY(value, text_of(*part));
            } else if (part->number == 2) {
                if (part->type != ProtobufType::bytes) {
                    return fail(Code::invalid, "not bytes");
                }
                value = part->bytes;
            }
        }
        auto& map = out.emplace(field.name, JsonObject()).first->value().get_object();
        const bool fresh = field.kind == Kind::bytes_map
                               ? map.emplace(key, base::to_base64(base::as_bytes(value))).second
                               : map.emplace(key, value).second;
        if (!fresh) {
            return fail(Code::invalid, "duplicate key {}", key);
        }
        return base::ok;
    }

    std::size_t nodes_left_;
};

struct Envelope {
    std::string_view api_version = "";
    std::string_view kind = "";
    std::string_view raw = "";
};

Result<Envelope> open_envelope(std::string_view body) {
    using namespace std::literals;
    static constexpr std::string_view magic = "k8s\0"sv;
    if (!body.starts_with(magic)) {
        return fail(Code::invalid, "the body does not begin with the mark of Kubernetes protobuf");
    }
    Envelope out;
    ProtobufReader reader(body.substr(magic.size()));
    while (true) {
        TRY(const auto field, reader.next());
        if (!field) {
            return out;
        }
        if (field->number > 4) {
            continue;
        }
        if (field->type != ProtobufType::bytes) {
            return fail(Code::invalid, "the envelope is not well formed");
        }
        if (field->number == 1) {
            ProtobufReader type(field->bytes);
            while (true) {
                TRY(const auto part, type.next());
                if (!part) {
                    break;
                }
                TRY(const auto text, text_of(*part));
                (part->number == 1 ? out.api_version : out.kind) = text;
            }
        } else if (field->number == 2) {
            out.raw = field->bytes;
        } else if (field->number == 3 && !field->bytes.empty()) {
            return fail(Code::invalid, "the object is encoded as {}, which is not read here",
                        field->bytes);
        }
    }
}

}  // namespace

Result<Json> parse_kube_protobuf(std::string_view body, const JsonLimits& limits) {
    if (body.size() > limits.bytes_max) {
        return fail(Code::exhausted, "{} bytes, more than {}", body.size(), limits.bytes_max);
    }
    TRY(const Envelope envelope, open_envelope(body));
    for (const KnownKind& known : known_kinds) {
        if (known.kind != envelope.kind ||
            (!known.api_version.empty() && known.api_version != envelope.api_version)) {
            continue;
        }
        JsonObject object;
        object.emplace("apiVersion", envelope.api_version);
        object.emplace("kind", envelope.kind);
        CHECK_OK(Decoder(limits).decode(envelope.raw, known.message, "", object));
        return Json(std::move(object));
    }
    return fail(Code::not_found, "{} {} is not read from protobuf here; send it as JSON",
                envelope.api_version, envelope.kind);
}

}  // namespace tidemill::wire
