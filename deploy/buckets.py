#!/usr/bin/env python
"""Create the buckets named on the command line, where they are not there yet; waits for the store to answer.

Address and credentials come from MLFLOW_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import os
import sys

import boto3
from botocore.config import Config


def main() -> None:
    retries = Config(retries={"total_max_attempts": 20, "mode": "standard"}, connect_timeout=5)
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], config=retries)
    known = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
    for name in sys.argv[1:]:
        if name not in known:
            store.create_bucket(Bucket=name)


if __name__ == "__main__":
    main()
