"""aiosmtpd as a mail server of the tests: prints one line of JSON for its port, then one for each mail that it took."""
import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
faults = list(options.get("faults", []))


def tell(thing):
    print(json.dumps(thing), flush=True)


class Mailbox:
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address in options.get("unknown", []):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        fault = faults.pop(0) if faults else None
        if fault is not None and fault != "lost":
            return fault
        tell({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "user": session.auth_data,
            "tls": server.transport.get_extra_info("ssl_object") is not None,
            "content": base64.b64encode(envelope.content).decode(),
        })
        if fault == "lost":
            server.transport.abort()
        return "250 Message accepted for delivery"


def authenticate(server, session, envelope, mechanism, credentials):
    given = [credentials.login.decode(), credentials.password.decode()]
    right = given == options.get("account")
    return AuthResult(success=right, handled=right, auth_data=given[0] if right else None)


def connection():
    starttls = context if options["tls"] == "starttls" else None
    account = options.get("account") is not None
    return SMTP(
        Mailbox(),
        tls_context=starttls,
        require_starttls=starttls is not None,
        authenticator=authenticate if account else None,
        auth_required=account,
        auth_require_tls=options["tls"] == "starttls",
    )


async def main():
    wrapped = context if options["tls"] == "required" else None
    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0, ssl=wrapped)
    tell({"port": server.sockets[0].getsockname()[1]})
    await server.serve_forever()


context = None
if options["tls"] != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificateFile"], options["keyFile"])
asyncio.run(main())
