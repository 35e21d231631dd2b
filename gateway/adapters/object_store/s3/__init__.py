"""Objects in MinIO or any other S3, by aiobotocore.

To be imported by whoever opens it, and then only: aiobotocore costs 26 MB and 0.2 s.

What it needs of the server: PUT, GET (with Range), HEAD and DELETE of objects, multipart uploads, HEAD of buckets,
and their making unless `create_buckets` is off. Rights: s3:GetObject, s3:PutObject, s3:DeleteObject,
s3:AbortMultipartUpload, s3:ListBucket, s3:ListBucketMultipartUploads, perhaps s3:CreateBucket.
"""

from gateway.adapters.object_store.s3.store import S3ObjectStore, open_s3_store

__all__ = ["S3ObjectStore", "open_s3_store"]
