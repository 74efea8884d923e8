import{c as i}from"./assets/client-BkzWX9hK.js";import"./assets/details-CDAWOWA_.js";export{i as createLiveClient};
