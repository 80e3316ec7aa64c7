#include "wire/protobuf/kube.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "wire/protobuf/reader.h"

namespace tidemill::wire {
namespace {

using namespace std::literals;

struct Row {
    std::string_view hex;
    std::string_view json;
};

// Bodies as k8s.io/apimachinery 0.32 writes them, and the same objects as it writes them in JSON,
// without what is empty there.
TEST(KubeProtobuf, ReadsWhatClientsSend) {
    const Row rows[] = {
        {"6b3873000a0f0a02763112094e616d65737061636512240a1c0a0473686f7012001a0022002a0032"
         "00380042005a060a016112016212001a020a001a002200",
         R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop","labels":{"a":"b"}}})"},
        {"6b3873000a0c0a027631120653656372657412370a180a017312001a0764656661756c7422002a00"
         "32003800420012050a01651200120a0a036b657912030001ff1a064f706171756528001a002200",
         R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","namespace":"default"})"
         R"(,"immutable":false,"data":{"e":"","key":"AAH/"},"type":"Opaque"})"},
        {"6b3873000a0f0a0276311209436f6e6669674d617012380a1d0a016312001a0022002a0032003800"
         "4200620a0a05782e792f7a120131120e0a016b12096c696e650a6c696e651a070a0162120268691a"
         "002200",
         R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"c","annotations":{"x.y)"
         R"(/z":"1"}},"data":{"k":"line\nline"},"binaryData":{"b":"aGk="}})"},
        {"6b3873000a140a027631120e536572766963654163636f756e74122c0a120a02736112001a002200"
         "2a00320038004200120f0a0012001a017322002a0032003a001a030a017020011a002200",
         R"({"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"sa"},"secrets":[{)"
         R"("name":"s"}],"imagePullSecrets":[{"name":"p"}],"automountServiceAccountToken":tr)"
         R"(ue})"},
        {"6b3873000a0d0a0276311207536572766963651292010a310a0373766312001a0022002a00320038"
         "0342080880e2cfaa0610006a0f0a01581a016f2201752a02763130017203662f3112590a150a0468"
         "747470120018502207080010903f1a0028000a170a016e120354435018512209080110001a037765"
         "62280012080a036170701201781a00220c45787465726e616c4e616d653a0042005203612e625a00"
         "600068001a020a001a002200",
         R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"svc","generation":3,"cre)"
         R"(ationTimestamp":"2023-11-14T22:13:20Z","ownerReferences":[{"apiVersion":"v1","ki)"
         R"(nd":"X","name":"o","uid":"u","controller":true}],"finalizers":["f/1"]},"spec":{")"
         R"(ports":[{"name":"http","port":80,"targetPort":8080},{"name":"n","protocol":"TCP")"
         R"(,"port":81,"targetPort":"web"}],"selector":{"app":"x"},"type":"ExternalName","ex)"
         R"(ternalName":"a.b"}})"},
        {"6b3873000a0b0a02763112054576656e7412650a110a016512001a0022002a003200380042001212"
         "0a03506f6412001a017022002a0032003a001a015222016d2a050a0163120032080880e2cfaa0610"
         "003a080880e2cfaa06100040024a064e6f726d616c520b0880e2cfaa06108094ef3a620072007a00"
         "1a002200",
         R"({"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"involvedObject":{"kin)"
         R"(d":"Pod","name":"p"},"reason":"R","message":"m","source":{"component":"c"},"firs)"
         R"(tTimestamp":"2023-11-14T22:13:20Z","lastTimestamp":"2023-11-14T22:13:20Z","count)"
         R"(":2,"type":"Normal","eventTime":"2023-11-14T22:13:20.123456Z"})"},
        {"6b3873000a130a027631120d44656c6574654f7074696f6e73121a080012050a03752d31220a4261"
         "636b67726f756e642a03416c6c1a002200",
         R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"preconditions")"
         R"(:{"uid":"u-1"},"propagationPolicy":"Background","dryRun":["All"]})"},
    };
    for (const Row& row : rows) {
        const auto got = parse_kube_protobuf(*base::from_hex(row.hex));
        ASSERT_TRUE(got) << row.json << got.error().message;
        EXPECT_EQ(*got, *parse_json(row.json)) << write_json(*got);
    }
}

std::string field(int number, std::string_view bytes) {
    std::string out;
    out += static_cast<char>(number << 3 | 2);
    out += static_cast<char>(bytes.size());
    out += bytes;
    return out;
}

std::string body(std::string_view kind, std::string_view raw) {
    return "k8s\0"s + field(1, field(1, "v1") + field(2, kind)) + field(2, raw);
}

TEST(KubeProtobuf, TakesWhatIsMissingForEmpty) {
    const auto entry = parse_kube_protobuf(body("ConfigMap", field(2, "")));
    ASSERT_TRUE(entry);
    EXPECT_EQ(write_json(*entry), R"({"apiVersion":"v1","kind":"ConfigMap","data":{"":""}})");
    const auto untyped = parse_kube_protobuf("k8s\0"s + field(1, field(2, "DeleteOptions")));
    ASSERT_TRUE(untyped);
    EXPECT_EQ(write_json(*untyped), R"({"apiVersion":"","kind":"DeleteOptions"})");
}

TEST(KubeProtobuf, RefusesWhatIsNotOne) {
    struct Bad {
        std::string body;
        std::string_view message;
    };
    const Bad rows[] = {
        {"", "the body does not begin with the mark of Kubernetes protobuf"},
        {"{}", "the body does not begin with the mark of Kubernetes protobuf"},
        {"k8s\0\x0a"s, "byte 1: the message ends inside of a number"},
        {"k8s\0"s, "  is not read from protobuf here; send it as JSON"},
        {body("Pod", ""), "v1 Pod is not read from protobuf here; send it as JSON"},
        {body("Secret", "") + field(3, "gzip"),
         "the object is encoded as gzip, which is not read here"},
        {body("Secret", field(1, field(1, "\xff"))), "metadata.name: not UTF-8"},
        {body("Secret", field(1, field(1, "a") + field(1, "b"))), "metadata.name: given twice"},
        {body("Secret", field(1, "\x08\x01"s)), "metadata.name: not a string"},
        {body("Secret", field(1, field(7, "x"))), "metadata.generation: not a number"},
        {body("Secret", "\x08\x01"s), "metadata: not a message"},
        {body("Secret", "\x0a\x05"s), "byte 0: a field longer than its message"},
        {body("Secret", field(2, field(1, "k")) + field(2, field(1, "k"))),
         "data: duplicate key k"},
        {body("ServiceAccount", field(2, "") + field(2, field(3, "\xff"))),
         "secrets[1].name: not UTF-8"},
        {body("Event", field(6, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"s)),
         "firstTimestamp: a time out of range"},
    };
    for (const Bad& row : rows) {
        const auto got = parse_kube_protobuf(row.body);
        ASSERT_FALSE(got) << row.message;
        EXPECT_EQ(got.error().message, row.message);
    }
    EXPECT_EQ(parse_kube_protobuf(body("Pod", "")).error().code, base::Code::not_found);
    const std::string many = body("Secret", field(1, field(14, "a") + field(14, "b")));
    EXPECT_TRUE(parse_kube_protobuf(many, {.nodes_max = 3}));
    EXPECT_EQ(parse_kube_protobuf(many, {.nodes_max = 2}).error().code, base::Code::exhausted);
    EXPECT_EQ(parse_kube_protobuf(many, {.bytes_max = 3}).error().code, base::Code::exhausted);
}

TEST(ProtobufReader, ReadsEveryWireType) {
    const std::string text =
        "\x08\x96\x01\x11\x01\x02\x03\x04\x05\x06\x07\x08\x1a\x02hi\x25\x01\x00\x00\x00"s;
    ProtobufReader reader(text);
    const auto a = **reader.next();
    EXPECT_EQ(a.number, 1U);
    EXPECT_EQ(a.value, 150U);
    const auto b = **reader.next();
    EXPECT_EQ(b.type, ProtobufType::fixed64);
    EXPECT_EQ(b.value, 0x0807060504030201U);
    EXPECT_EQ((**reader.next()).bytes, "hi");
    EXPECT_EQ((**reader.next()).value, 1U);
    EXPECT_FALSE(reader.next()->has_value());
}

TEST(ProtobufReader, RefusesMalformedFields) {
    const std::string_view rows[] = {
        "\x00\x01"sv,                                          // field number 0
        "\x08"sv,                                              // no value
        "\x08\x80"sv,                                          // half a varint
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"sv,      // 65 bits
        "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"sv,  // eleven bytes
        "\x0b"sv,                                              // a group
        "\x0e\x00"sv,                                          // no such type
        "\x12\x03hi"sv,                                        // too long
        "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv,      // far too long
        "\x0d\x01\x02\x03"sv,                                  // half a fixed32
        "\x80\x80\x80\x80\x80\x01\x00"sv,                      // a field number over 29 bits
    };
    for (const auto row : rows) {
        ProtobufReader reader(row);
        const auto got = reader.next();
        EXPECT_FALSE(got) << base::to_hex(base::as_bytes(row));
    }
}

}  // namespace
}  // namespace tidemill::wire
