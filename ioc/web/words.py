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
    "sign_out": Text("Đăng xuất", "Sign out"),
    "go_back": Text("Về trung tâm điều hành", "Back to the centre"),
    "password_change": Text("Đổi mật khẩu", "Change your password"),
    "password_must": Text(
        "Hãy đặt mật khẩu của riêng bạn để tiếp tục.",
        "Set a password of your own to go on.",
    ),
    "password_ends_others": Text(
        "Sau khi đổi, các phiên đăng nhập khác của bạn sẽ kết thúc.",
        "Your other sessions end when it is changed.",
    ),
    "password_old": Text("Mật khẩu hiện tại", "Present password"),
    "password_new": Text("Mật khẩu mới", "New password"),
    "password_repeat": Text("Nhập lại mật khẩu mới", "New password again"),
    "password_rules": Text(
        "Ít nhất 12 ký tự, chẳng hạn vài từ không liên quan đến nhau. Không dùng tên của bạn hay của trung tâm.",
        "At least 12 characters, such as a few words that do not belong together. Not your name or the centre's.",
    ),
    "password_short": Text(
        "Mật khẩu mới quá ngắn: cần ít nhất 12 ký tự.", "The new password is too short: it needs 12 characters."
    ),
    "password_long": Text(
        "Mật khẩu mới quá dài: nhiều nhất 256 ký tự.", "The new password is too long: it has at most 256 characters."
    ),
    "password_easy": Text(
        "Mật khẩu mới quá dễ đoán. Hãy dùng vài từ không liên quan đến nhau, không dùng tên của bạn.",
        "The new password is too easy to guess. Use a few words that do not belong together, not your name.",
    ),
    "password_same": Text(
        "Mật khẩu mới trùng với mật khẩu hiện tại. Hãy chọn mật khẩu khác.",
        "The new password is the present one. Choose another.",
    ),
    "password_again": Text(
        "Hai lần nhập mật khẩu mới không giống nhau. Hãy nhập lại.",
        "The two new passwords differ. Type the same one twice.",
    ),
    "password_wrong": Text(
        "Mật khẩu hiện tại không đúng. Hãy kiểm tra rồi thử lại.",
        "The present password is wrong. Check it and try again.",
    ),
    "sessions": Text("Các phiên đăng nhập của bạn", "Your sessions"),
    "sessions_text": Text(
        "Nếu có phiên nào không phải của bạn, hãy kết thúc phiên đó rồi đổi mật khẩu.",
        "If one of these is not yours, end it, then change your password.",
    ),
    "sessions_end_others": Text("Kết thúc mọi phiên khác", "End all other sessions"),
    "session_since": Text("Từ {at}", "Since {at}"),
    "session_seen": Text("Dùng lần cuối {at}", "Last used {at}"),
    "session_now": Text("Phiên này", "This session"),
    "session_end": Text("Kết thúc", "End"),
    "session_by_password": Text("bằng mật khẩu", "by password"),
    "session_by_link": Text("bằng liên kết", "by link"),
    "session_by_openid": Text("bằng tài khoản của cơ quan", "by organisation account"),
    "browser_unknown": Text("Trình duyệt không rõ", "Unknown browser"),
    "or": Text("hoặc", "or"),
    "openid_button": Text("Đăng nhập bằng {provider}", "Sign in with {provider}"),
    "openid_away": Text(
        "Hiện chưa đăng nhập được bằng {provider}. Hãy thử lại sau ít phút, hoặc đăng nhập bằng mật khẩu.",
        "Signing in with {provider} does not work at the moment. Try again in a few minutes, or use your password.",
    ),
    "openid_unknown": Text(
        "Trung tâm chưa biết tài khoản này. Hãy nhờ quản trị viên của trung tâm thêm bạn vào.",
        "This centre does not know that account. Ask the administrator of your centre to add you.",
    ),
    "openid_failed": Text(
        "Việc đăng nhập bằng {provider} chưa hoàn tất. Hãy thử lại.",
        "Signing in with {provider} was not completed. Please try again.",
    ),
    "openid_cancelled": Text(
        "Bạn đã hủy đăng nhập bằng {provider}.",
        "You cancelled signing in with {provider}.",
    ),
    "once_title": Text("Vào trung tâm điều hành", "Enter the operations centre"),
    "once_text": Text(
        "Liên kết này chỉ dùng được một lần.",
        "This link works only once.",
    ),
    "once_enter": Text("Vào", "Enter"),
    "screen_title": Text("Ghép nối màn hình", "Pair this screen"),
    "screen_text": Text(
        "Trình duyệt này sẽ hiển thị màn hình lớn và không mở được trang nào khác.",
        "This browser will show the wall, and can open no other page.",
    ),
    "screen_pair": Text("Ghép nối", "Pair"),
    "screen_used": Text(
        "Liên kết ghép nối này đã được dùng hoặc đã hết hạn. Hãy xin quản trị viên liên kết mới.",
        "This pairing link was used already or has ended. Ask the administrator for a new one.",
    ),
    "link_used": Text(
        "Liên kết này đã được dùng hoặc đã hết hạn. Hãy xin liên kết mới, hoặc đăng nhập bằng mật khẩu.",
        "This link was used already or has ended. Ask for a new one, or sign in with your password.",
    ),
}
