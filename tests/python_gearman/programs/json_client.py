# SPDX-License-Identifier: MIT
"""A client whose data is JSON."""

from __future__ import print_function

import json
import sys

import gearman


class JSONDataEncoder(gearman.DataEncoder):
    @classmethod
    def encode(cls, encodable_object):
        return json.dumps(encodable_object, sort_keys=True)

    @classmethod
    def decode(cls, decodable_string):
        return json.loads(decodable_string)


class JSONClient(gearman.GearmanClient):
    data_encoder = JSONDataEncoder


client = JSONClient([sys.argv[1]])
for numbers in [1, 2, 3], [], [3, "two"]:
    request = client.submit_job("add", {"numbers": numbers})
    print(request.state, json.dumps(request.result), list(request.data_updates), len(request.warning_updates))
