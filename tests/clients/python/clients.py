"""openfeature-sdk with openfeature-provider-ofrep: one request per evaluation."""

import os
import sys
import unittest

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

URL, GONE = os.environ["BELLWETHER_URL"], os.environ["BELLWETHER_GONE"]
SERVER_KEY, CLIENT_KEY = os.environ["BELLWETHER_SERVER_KEY"], os.environ["BELLWETHER_CLIENT_KEY"]
NORWAY = EvaluationContext("user-1", {"country": "NO"})
ELSEWHERE = EvaluationContext("user-1", {"country": "SE"})
OBJECT = {"title": "Hello", "sizes": [1, 2.5], "nested": {"on": True, "off": None}}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def client(headers=None, url=URL):
    client.count += 1
    domain = f"domain-{client.count}"
    headers = bearer(SERVER_KEY) if headers is None else headers
    api.set_provider(OFREPProvider(url, headers_factory=lambda: headers), domain)
    return api.get_client(domain)


client.count = 0


class Clients(unittest.TestCase):
    def failed(self, details, value, code):
        self.assertEqual((details.value, details.reason, details.error_code), (value, Reason.ERROR, code))

    def test_every_type(self):
        for headers in (bearer(SERVER_KEY), bearer(CLIENT_KEY), {"X-API-Key": CLIENT_KEY}):
            flags = client(headers)
            self.assertIs(flags.get_boolean_value("clients.boolean", False, NORWAY), True)
            self.assertEqual(flags.get_string_value("clients.string", "", NORWAY), "Hello, wörld")
            whole = flags.get_integer_value("clients.integer", -1, NORWAY)
            self.assertEqual((whole, type(whole)), (42, int))
            # Written as 10.0: this client takes 10 for an integer, and refuses it.
            number = flags.get_float_value("clients.float", -1.0, NORWAY)
            self.assertEqual((number, type(number)), (10.0, float))
            self.assertEqual(flags.get_object_value("clients.json", {}, NORWAY), OBJECT)
            self.assertIs(flags.get_boolean_value("clients.boolean", True, ELSEWHERE), False)
            self.assertEqual(flags.get_string_value("clients.string", "", ELSEWHERE), "no")
            self.assertEqual(flags.get_integer_value("clients.integer", -1, ELSEWHERE), 0)
            self.assertEqual(flags.get_float_value("clients.float", -1.0, ELSEWHERE), 0.5)
            self.assertEqual(flags.get_object_value("clients.json", {"x": 1}, ELSEWHERE), {})

    def test_a_value_comes_with_its_variant_reason_and_metadata(self):
        details = client().get_boolean_details("clients.boolean", False, NORWAY)
        self.assertEqual((details.variant, details.reason), ("first", Reason.TARGETING_MATCH))
        self.assertEqual(details.flag_metadata["rule"], "norway")
        self.assertTrue(all(isinstance(value, (str, int, float, bool)) for value in details.flag_metadata.values()))

    def test_every_reason(self):
        flags = client()
        for key, context, reason in (
            ("clients.static", EvaluationContext(), Reason.STATIC),
            ("clients.string", ELSEWHERE, Reason.DEFAULT),
            ("clients.string", NORWAY, Reason.TARGETING_MATCH),
            ("clients.disabled", NORWAY, Reason.DISABLED),
        ):
            details = flags.get_string_details(key, "default", context)
            self.assertEqual((details.reason, details.error_code), (reason, None), key)
        self.assertEqual(flags.get_boolean_details("clients.split", False, NORWAY).reason, Reason.SPLIT)
        self.assertEqual(flags.get_string_value("clients.disabled", "default", NORWAY), "no")

    def test_without_a_context(self):
        self.assertIs(client().get_boolean_value("clients.boolean", True), False)

    def test_an_unknown_flag(self):
        flags = client()
        for key in ("clients.none", "clients.archived", "with/a/slash", "with a space", "ø"):
            self.failed(flags.get_boolean_details(key, True, NORWAY), True, ErrorCode.FLAG_NOT_FOUND)
        hidden = client(bearer(CLIENT_KEY)).get_boolean_details("clients.hidden", True, NORWAY)
        self.failed(hidden, True, ErrorCode.FLAG_NOT_FOUND)

    def test_a_value_of_another_type(self):
        flags = client()
        mismatch = ErrorCode.TYPE_MISMATCH
        self.failed(flags.get_boolean_details("clients.string", True, NORWAY), True, mismatch)
        self.failed(flags.get_string_details("clients.integer", "x", NORWAY), "x", mismatch)
        self.failed(flags.get_integer_details("clients.float", 7, NORWAY), 7, mismatch)
        self.failed(flags.get_float_details("clients.json", 7.5, NORWAY), 7.5, mismatch)
        self.failed(flags.get_object_details("clients.boolean", {"a": 1}, NORWAY), {"a": 1}, mismatch)

    def test_a_missing_targeting_key(self):
        context = EvaluationContext(attributes={"country": "NO"})
        details = client().get_boolean_details("clients.split", True, context)
        self.failed(details, True, ErrorCode.TARGETING_KEY_MISSING)
        self.assertIn("targetingKey", details.error_message)

    def test_a_key_that_is_not_known_or_none(self):
        for headers in (bearer("bw_sdk_none"), {"X-API-Key": "none"}, {}, bearer(os.environ["BELLWETHER_TOKEN"])):
            details = client(headers).get_boolean_details("clients.boolean", False, NORWAY)
            self.failed(details, False, ErrorCode.GENERAL)

    def test_a_server_that_is_gone(self):
        details = client(url=GONE).get_string_details("clients.string", "default", NORWAY)
        self.failed(details, "default", ErrorCode.GENERAL)


class Lines(unittest.TestResult):
    """A line for each test, which begins with "ok" or "not ok"."""

    def addSuccess(self, test):
        super().addSuccess(test)
        print("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        print("not ok", test, "\n", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        print("not ok", test, "\n", self.errors[-1][1])


if __name__ == "__main__":
    result = unittest.defaultTestLoader.loadTestsFromTestCase(Clients).run(Lines())
    sys.exit(0 if result.wasSuccessful() else 1)
