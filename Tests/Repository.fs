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
