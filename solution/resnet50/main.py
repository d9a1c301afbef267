"""Trains and tests a network on CIFAR-10: ResNet-50 of resnet50_skeleton.py, or VGG-16 of vgg16_full.py. Complete.

    python main.py                      one more epoch from the checkpoint resnet50.safetensors, where that lies beside
                                        this file; ten epochs from nothing where it doesn't
    python main.py --model vgg16        the same with VGG-16, and vgg16.safetensors
    python main.py --epochs 3           another number of epochs

What it has trained it saves as resnet50_trained.safetensors in the folder that it is started in.
"""

import argparse
import sys
from pathlib import Path

import torch
import torch.nn as nn
import torchvision
import torchvision.transforms as transforms
from resnet50_skeleton import ResNet50_layer4
from safetensors.torch import load_file, save_file
from vgg16_full import VGG16

HERE = Path(__file__).resolve().parent
MODELS = {"resnet50": ResNet50_layer4, "vgg16": VGG16}
BATCH_SIZE = 100
LEARNING_RATE = 1e-3
EPOCHS_OF_A_RATE = 20  # after these many epochs the rate is divided by three
EPOCHS = {"checkpoint": 1, "nothing": 10}  # how long to train, by what the training starts from
MEAN, SPREAD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of each colour, over all training pictures


def look_at(net, device):
    """End, before anything is downloaded, where the network doesn't answer two pictures with two rows of ten scores."""
    net.eval()
    with torch.no_grad():
        scores = net(torch.zeros(2, 3, 32, 32, device=device))
    if getattr(scores, "shape", None) != (2, 10):
        answer = "nothing" if scores is None else f"shape {tuple(scores.shape)}"
        sys.exit(f"to two pictures the network answers {answer}, not ten scores each: what is still left to write?")


def load_checkpoint(net, path):
    """Give `net` the weights in the file at `path`. Where names or shapes differ, print which, and end."""
    saved = load_file(path)
    own = net.state_dict()
    shapes = {
        name: [str(tuple(state[name].shape)) if name in state else "missing" for state in (own, saved)]
        for name in own | saved
    }
    different = {name: pair for name, pair in shapes.items() if pair[0] != pair[1]}
    if different:
        print(f"{path.name} and the network differ in {len(different)} of {len(shapes)} entries:")
        print(f"  {'entry':52} {'network':20} checkpoint")
        for name, (in_network, in_checkpoint) in different.items():
            print(f"  {name:52} {in_network:20} {in_checkpoint}")
        sys.exit("nothing was loaded: build the network with the names and shapes of the checkpoint")
    net.load_state_dict(saved)


def make_loaders():
    """The training and the test pictures of CIFAR-10, in batches. The first run downloads 170 MB into ./data."""
    normalize = transforms.Normalize(MEAN, SPREAD)
    shifted = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize]
    )
    plain = transforms.Compose([transforms.ToTensor(), normalize])
    trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=shifted)
    testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=plain)
    trainloader = torch.utils.data.DataLoader(trainset, batch_size=BATCH_SIZE, shuffle=True)
    testloader = torch.utils.data.DataLoader(testset, batch_size=BATCH_SIZE, shuffle=False)
    return trainloader, testloader


def train(net, trainloader, epochs, device, save):
    """Train for so many epochs. `save` is called when the learning rate changes."""
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    rate = LEARNING_RATE
    net.train()
    for epoch in range(1, epochs + 1):
        for step, (images, labels) in enumerate(trainloader, 1):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            outputs = net(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            if step % 100 == 0 or step == len(trainloader):
                place = f"Epoch [{epoch}/{epochs}], Step [{step}/{len(trainloader)}]"
                print(f"{place}, Loss: {loss.item():.4f}", flush=True)
        if epoch % EPOCHS_OF_A_RATE == 0:
            rate /= 3
            for group in optimizer.param_groups:
                group["lr"] = rate
            save()


def test(net, testloader, device):
    """How many percent of the test pictures the network recognises."""
    net.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in testloader:
            images, labels = images.to(device), labels.to(device)
            right += (net(images).argmax(dim=1) == labels).sum().item()
            total += len(labels)
    return 100 * right / total


def main():
    parser = argparse.ArgumentParser(description="Train and test a network on CIFAR-10.")
    parser.add_argument("--model", choices=MODELS, default="resnet50")
    parser.add_argument("--epochs", type=int, help="default: 1 from a checkpoint, 10 from nothing")
    chosen = parser.parse_args()

    torch.manual_seed(0)  # the same random numbers in every run
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = MODELS[chosen.model]().to(device)
    print(f"{chosen.model}: {sum(parameter.numel() for parameter in net.parameters()):,} parameters, on {device}")
    look_at(net, device)

    checkpoint = HERE / f"{chosen.model}.safetensors"
    if checkpoint.exists():
        load_checkpoint(net, checkpoint)
        print(f"The weights are those of {checkpoint.name}")
        epochs = chosen.epochs or EPOCHS["checkpoint"]
    else:
        print(f"There is no {checkpoint.name} beside main.py: training starts from nothing")
        epochs = chosen.epochs or EPOCHS["nothing"]

    def save():
        # A copy of each, as a plain block of memory: layers may share weights, and may keep them in another order.
        copies = {name: value.clone(memory_format=torch.contiguous_format) for name, value in net.state_dict().items()}
        save_file(copies, f"{chosen.model}_trained.safetensors")

    trainloader, testloader = make_loaders()
    train(net, trainloader, epochs, device, save)
    save()
    print(f"Accuracy of the model on the test images: {test(net, testloader, device):.2f} %")


if __name__ == "__main__":
    main()
