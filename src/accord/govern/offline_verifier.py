"""Verify an exported event log with nothing but this file and Python: the chain, the Merkle root, and the signature of the head.

Run it in the folder of the export, or name the folder: python verify.py [FOLDER] [--public-key FILE]
A copy of this file lies in every export; it imports nothing but the standard library. The key that lies in the export proves only that
the export is whole; compare it with the key you were given, or name that one with --public-key.

Source:
    RFC 8032 (Ed25519), section 5.1; RFC 9162 (Merkle tree), section 2.1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from pathlib import Path

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # X, Y, Z, T in extended coordinates


def recover_x(y: int, sign: int) -> int | None:
    """The x of a point of the curve with this y; None when there is none."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def decode_point(data: bytes) -> Point | None:
    """A point from its 32 bytes; None when they are none."""
    value = int.from_bytes(data, "little")
    y, sign = value & ((1 << 255) - 1), value >> 255
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(a: Point, b: Point) -> Point:
    """The sum of two points."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    u, v, w, z = f - e, h - g, h + g, f + e
    return u * v % P, w * z % P, v * w % P, u * z % P


def multiply(number: int, point: Point) -> Point:
    """A point added to itself so many times."""
    result: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def signed(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether an Ed25519 signature holds."""
    base_y = 4 * pow(5, P - 2, P) % P
    base_x = recover_x(base_y, 0)
    key, r = decode_point(public), decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or base_x is None or key is None or r is None or s >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + data).digest(), "little") % ORDER
    left, right = multiply(s, (base_x, base_y, 1, base_x * base_y % P)), add(r, multiply(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def merkle_root(leaves: list[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    nodes = leaves
    while len(nodes) > 1:
        paired = [hashlib.sha256(b"\x01" + nodes[n] + nodes[n + 1]).digest() for n in range(0, len(nodes) - 1, 2)]
        nodes = paired + ([nodes[-1]] if len(nodes) % 2 else [])
    return nodes[0]


def canonical(body: object) -> bytes:
    """The one spelling of a JSON value that is signed."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def raw_key(pem: str) -> bytes:
    """The 32 bytes of an Ed25519 public key file."""
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    der = base64.b64decode("".join(lines))
    spelled = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    if len(der) != 44 or der[:12].hex() != "302a300506032b6570032100" or pem != spelled:
        raise ValueError("the public key file holds no Ed25519 key")
    return der[12:]


def problem(folder: Path, key_file: Path | None = None) -> str:
    """What is wrong with an export; an empty text when nothing is."""
    try:
        data = (folder / "head.json").read_bytes()
        head = json.loads(data)
        public = raw_key((key_file or folder / "signing-key.pub").read_text())
        signature = head.pop("signature")
        value = bytes.fromhex(signature["value"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"the export is not complete or not readable: {error}"
    plain = canonical(head)
    given = {"algorithm": "Ed25519", "key": hashlib.sha256(public).hexdigest()[:32], "sha256": hashlib.sha256(plain).hexdigest()}
    whole = canonical({**head, "signature": {**given, "value": value.hex()}}) + b"\n"  # the only spelling that counts
    if data != whole or not signed(public, value, b"accord document 1\n" + plain):
        return "head.json was not signed with this key, or was changed after it was signed"
    chain, leaves = "0" * 64, []
    with (folder / "events.jsonl").open("rb") as lines:
        for line in lines:
            body = line[:-1]
            chain = hashlib.sha256(chain.encode() + b"\n" + body).hexdigest()
            leaves.append(hashlib.sha256(b"\x00" + body).digest())
    if len(leaves) != head["size"]:
        return f"the head speaks of {head['size']} events and there are {len(leaves)}"
    if merkle_root(leaves).hex() != head["root"] or chain != head["chain"]:
        return "an event was changed, removed, added or moved: the events do not lead to the signed root"
    return ""


def main(arguments: list[str]) -> int:
    """Verify and say so; 0 when everything holds, 1 when not."""
    key_file = None
    if "--public-key" in arguments:
        place = arguments.index("--public-key")
        key_file = Path(arguments[place + 1])
        arguments = arguments[:place] + arguments[place + 2 :]
    folder = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    found = problem(folder, key_file)
    if found:
        sys.stderr.write(f"NOT VERIFIED: {found}\n")
        return 1
    head = json.loads((folder / "head.json").read_bytes())
    sys.stdout.write(f"verified: {head['size']} events, root {head['root']}, signed by key {head['signature']['key']} at {head['at']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
