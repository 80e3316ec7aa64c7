// What each refusal is called and answered with.
#include "wire/http1.h"

namespace tidemill::wire {

std::string_view fault_text(HeadFault fault) {
    switch (fault) {
        case HeadFault::none:
            return "no fault";
        case HeadFault::bad_method:
            return "the request does not begin with a method and a space";
        case HeadFault::bad_target:
            return "the request target is not well formed";
        case HeadFault::target_too_long:
            return "the request target is too long";
        case HeadFault::bad_version:
            return "the HTTP version is missing or not well formed";
        case HeadFault::unsupported_version:
            return "the HTTP version is not 1.0 or 1.1";
        case HeadFault::http2_preface:
            return "the connection begins as HTTP/2";
        case HeadFault::bad_status_line:
            return "the status line is not well formed";
        case HeadFault::bad_status_code:
            return "the status code is not a number from 100 to 599";
        case HeadFault::head_too_large:
            return "the head is too large";
        case HeadFault::too_many_headers:
            return "there are too many header fields";
        case HeadFault::empty_name:
            return "a header field has no name";
        case HeadFault::bad_name:
            return "a header field name has a character that is not allowed";
        case HeadFault::underscore_name:
            return "a header field name has an underscore";
        case HeadFault::space_before_colon:
            return "white space stands between a header field name and its colon";
        case HeadFault::missing_colon:
            return "a header line has no colon";
        case HeadFault::folded_line:
            return "a header line begins with white space";
        case HeadFault::bare_cr:
            return "a CR stands without an LF";
        case HeadFault::bare_lf:
            return "an LF stands without a CR";
        case HeadFault::bad_value:
            return "a header field value has a control character";
        case HeadFault::missing_host:
            return "the Host field is missing";
        case HeadFault::duplicate_host:
            return "there are two Host fields";
        case HeadFault::bad_host:
            return "the Host field is not a host with an optional port";
        case HeadFault::host_differs_from_target:
            return "the Host field differs from the host in the request target";
        case HeadFault::bad_content_length:
            return "Content-Length is not one decimal number below 2^63";
        case HeadFault::duplicate_content_length:
            return "there are two Content-Length fields";
        case HeadFault::length_and_encoding:
            return "Content-Length and Transfer-Encoding stand together";
        case HeadFault::bad_transfer_encoding:
            return "Transfer-Encoding is not exactly one final chunked";
        case HeadFault::unsupported_transfer_encoding:
            return "Transfer-Encoding names a coding other than chunked";
        case HeadFault::transfer_encoding_in_1_0:
            return "Transfer-Encoding stands in an HTTP/1.0 message";
        case HeadFault::framing_not_allowed:
            return "a field frames or routes the message where that is not allowed";
        case HeadFault::bad_connection:
            return "the Connection field is not a list of options, or names a field that frames "
                   "the message";
        case HeadFault::unsupported_expectation:
            return "the Expect field is not 100-continue";
        case HeadFault::connect_refused:
            return "CONNECT is not served here";
    }
    return "";
}

std::uint16_t fault_status(HeadFault fault) {
    switch (fault) {
        case HeadFault::target_too_long:
            return 414;
        case HeadFault::unsupported_expectation:
            return 417;
        case HeadFault::head_too_large:
        case HeadFault::too_many_headers:
            return 431;
        case HeadFault::unsupported_transfer_encoding:
        case HeadFault::connect_refused:
            return 501;
        case HeadFault::unsupported_version:
        case HeadFault::http2_preface:
            return 505;
        default:
            return 400;
    }
}

}  // namespace tidemill::wire
