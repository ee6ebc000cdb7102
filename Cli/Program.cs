Console.WriteLine(TorchSharp.torch.zeros(3).ToString());
