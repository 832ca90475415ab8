"""Run one operation of FINBOURNE's own SDK and print what it returned, as JSON.

python official_sdk.py OPERATION [NAME]    configured by the FBN_* variables, as the SDK is
"""

import json
import sys

from lusid_scheduler.api.images_api import ImagesApi
from lusid_scheduler.exceptions import ApiException
from lusid_scheduler.extensions.api_client_factory import SyncApiClientFactory
from lusid_scheduler.models.upload_image_request import UploadImageRequest


def main(operation: str, *names: str) -> object:
    """Return what the operation returns, as plain data."""
    with SyncApiClientFactory() as factory:
        api = factory.build(ImagesApi)
        if operation == "upload_image":
            names = (UploadImageRequest(image_name=names[0]),)
        try:
            result = getattr(api, operation)(*names)
        except ApiException as error:
            return {"status": error.status, "body": error.body}
    if isinstance(result, (bytes, bytearray)):
        return {"length": len(result), "start": bytes(result[:13]).decode()}
    return result.to_dict() if hasattr(result, "to_dict") else result


json.dump(main(*sys.argv[1:]), sys.stdout, default=str)
