#include "wire/http_text.h"

#include <algorithm>
#include <chrono>

namespace tidemill::wire {
namespace {

void put_digits(char* at, unsigned value, int digits) {
    for (int i = digits - 1; i >= 0; --i) {
        at[i] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

}  // namespace

std::string_view reason_phrase(std::uint16_t status) {
    // Source: IANA HTTP Status Code Registry.
    switch (status) {
            // clang-format off
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 102: return "Processing";
        case 103: return "Early Hints";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 203: return "Non-Authoritative Information";
        case 204: return "No Content";
        case 205: return "Reset Content";
        case 206: return "Partial Content";
        case 207: return "Multi-Status";
        case 208: return "Already Reported";
        case 226: return "IM Used";
        case 300: return "Multiple Choices";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 407: return "Proxy Authentication Required";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 423: return "Locked";
        case 424: return "Failed Dependency";
        case 425: return "Too Early";
        case 426: return "Upgrade Required";
        case 428: return "Precondition Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 451: return "Unavailable For Legal Reasons";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        case 506: return "Variant Also Negotiates";
        case 507: return "Insufficient Storage";
        case 508: return "Loop Detected";
        case 511: return "Network Authentication Required";
        default: return "";
            // clang-format on
    }
}

HttpDate format_http_date(base::WallTime at) {
    static constexpr std::string_view days = "SunMonTueWedThuFriSat";
    static constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static constexpr std::int64_t second_max = 253'402'300'799;  // 9999-12-31T23:59:59Z
    const std::int64_t since_1970 = std::clamp<std::int64_t>(at.ns / 1'000'000'000, 0, second_max);
    const std::chrono::sys_seconds time{std::chrono::seconds(since_1970)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const auto second_of_day = static_cast<unsigned>((time - day).count());

    HttpDate out{};
    char* text = out.data();
    constexpr std::string_view pattern = "Xxx, 00 Xxx 0000 00:00:00 GMT";
    std::copy(pattern.begin(), pattern.end(), text);
    const unsigned weekday = std::chrono::weekday{day}.c_encoding();
    days.copy(text, 3, std::size_t{weekday} * 3);
    put_digits(text + 5, static_cast<unsigned>(date.day()), 2);
    months.copy(text + 8, 3, std::size_t{static_cast<unsigned>(date.month()) - 1} * 3);
    put_digits(text + 12, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    put_digits(text + 17, second_of_day / 3600, 2);
    put_digits(text + 20, second_of_day / 60 % 60, 2);
    put_digits(text + 23, second_of_day % 60, 2);
    return out;
}

std::string_view DateCache::text(base::WallTime now) {
    const std::int64_t second = now.ns / 1'000'000'000;
    if (second != second_) {
        second_ = second;
        text_ = format_http_date(now);
    }
    return {text_.data(), text_.size()};
}

}  // namespace tidemill::wire
