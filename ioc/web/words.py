"""The words of the sign-in pages, in both languages; those of the other pages stand with the panels."""

from typing import Final

from ioc.model.series import Text

WORDS: Final[dict[str, Text]] = {
    "product": Text("Trung tâm giám sát, điều hành thông minh", "Intelligent Operations Center"),
    "sign_in": Text("Đăng nhập", "Sign in"),
    "login": Text("Tên đăng nhập", "Login"),
    "password": Text("Mật khẩu", "Password"),
    "forgotten": Text(
        "Quên mật khẩu? Hãy liên hệ quản trị viên của trung tâm.",
        "Forgotten your password? Ask the administrator of your centre.",
    ),
    "other_language": Text("English", "Tiếng Việt"),
    "wrong": Text(
        "Tên đăng nhập hoặc mật khẩu không đúng. Hãy kiểm tra rồi thử lại.",
        "The login or the password is wrong. Check both and try again.",
    ),
    "too_many": Text(
        "Bạn đã thử quá nhiều lần. Hãy thử lại sau {seconds} giây.",
        "Too many tries. Try again in {seconds} seconds.",
    ),
    "unavailable": Text(
        "Hệ thống chưa trả lời được. Hãy thử lại sau ít phút.",
        "The centre cannot answer at the moment. Try again in a few minutes.",
    ),
    "once_title": Text("Vào trung tâm điều hành", "Enter the operations centre"),
    "once_text": Text(
        "Liên kết này chỉ dùng được một lần.",
        "This link works only once.",
    ),
    "once_enter": Text("Vào", "Enter"),
    "link_used": Text(
        "Liên kết này đã được dùng hoặc đã hết hạn. Hãy xin liên kết mới, hoặc đăng nhập bằng mật khẩu.",
        "This link was used already or has ended. Ask for a new one, or sign in with your password.",
    ),
}
