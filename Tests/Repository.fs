/// The checkout that the tests run in.
module CnnCluster.Tests.Repository

open System
open System.IO

let root =
    let rec up (folder: DirectoryInfo) =
        if isNull folder then
            failwith $"{AppContext.BaseDirectory} is not inside the repository"
        elif File.Exists(Path.Combine(folder.FullName, "CnnCluster.sln")) then
            folder.FullName
        else
            up folder.Parent

    up (DirectoryInfo AppContext.BaseDirectory)

let file (path: string) = Path.Combine(root, path)

/// The folder of published data sets at hand: CNN_DATA, or one next to the checkout.
let dataSets =
    [ Option.ofObj (Environment.GetEnvironmentVariable "CNN_DATA")
      Some(Path.GetFullPath(Path.Combine(root, "../shared/datasets"))) ]
    |> List.choose id
    |> List.tryFind (fun folder -> Directory.Exists(Path.Combine(folder, "mnist")))
