CnnCluster.Kernels.Native.TorchLibrary.EnsureLoaded();
Console.WriteLine(TorchSharp.torch.zeros(3).sum().item<float>());
