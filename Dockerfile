# docker build -t hemenet-lab .                                              (CPU)
# docker build -t hemenet-lab:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .   (CUDA)
# docker run --rm -v "$PWD:/work" hemenet-lab fit --config experiments/multitask.yaml
# docker run --rm --gpus all -v "$PWD:/work" hemenet-lab:cuda fit ... --config configs/trainer/gpu.yaml
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# torch's own index has wheels without CUDA; the wheel on PyPI brings CUDA's libraries
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /src
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" \
      --extra-index-url https://pypi.org/simple torch
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt . && rm -rf /src

RUN useradd --create-home user && mkdir /work && chown user /work
USER user
WORKDIR /work
ENTRYPOINT ["hemenet"]
CMD ["--help"]
