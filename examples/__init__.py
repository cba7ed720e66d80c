"""Programs that use the product from outside, over its API. They import nothing of ours."""
