// What may be a name, and how names are made. The sentences are those of Kubernetes, because
// clients and tests compare them. Source: kubernetes/apimachinery pkg/util/validation,
// pkg/api/validate/content.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::model {

// Each check gives the reasons why the text is not such a name; none means that it is.
std::vector<std::string> check_dns1123_label(std::string_view text);
std::vector<std::string> check_dns1123_subdomain(std::string_view text);
std::vector<std::string> check_dns1035_label(std::string_view text);
// As a prefix for generated names: a dash at the end is allowed.
std::vector<std::string> check_dns1035_prefix(std::string_view text);
std::vector<std::string> check_dns1123_subdomain_prefix(std::string_view text);
// "name" or "dns.prefix/name": label and annotation keys.
std::vector<std::string> check_label_key(std::string_view text);
std::vector<std::string> check_label_value(std::string_view text);
// Keys of ConfigMap and Secret data.
std::vector<std::string> check_data_key(std::string_view text);
std::vector<std::string> check_environment_name(std::string_view text);
std::vector<std::string> check_port_name(std::string_view text);

// Reasons as Go prints a list of strings: "[a b]".
std::string in_brackets(const std::vector<std::string>& reasons);

// The name of an object created with metadata.generateName: base, cut to 58 bytes, and five letters
// drawn from `random` (27 letters that spell no words: about 14 million names per base, so the
// caller retries when the store says conflict). Source: k8s.io/apiserver
// pkg/storage/names/generate.go.
std::string generate_name(std::string_view base, std::uint64_t random);

// The name of a thing made for `parent`, at most 63 bytes: parent + suffix when that fits, else the
// head of the parent, the MD5 of the parent (of parent + suffix when the suffix is 31 bytes or
// longer) and the suffix. Existing clusters hold such names, so the algorithm is Knative's to the
// byte. Source: knative/pkg kmeta/names.go ChildName.
std::string child_name(std::string_view parent, std::string_view suffix);

// Why this is no image reference ([registry/]repository[:tag][@algorithm:hex]); empty when it is
// one. Source: the weak validation of google/go-containerregistry pkg/name, which Knative applies.
std::string check_image_reference(std::string_view text);

}  // namespace tidemill::model
